// Kernels of the training step for the CPU, called by XLA. See README.md beside the package.

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <vector>

#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

namespace {

// C (rows × columns, side by side) = A (rows × depth) · B (depth × columns), both by their strides.
struct Product {
  const float* a;
  const float* b;
  float* c;
  int64_t rows, columns, depth, a_row, a_column, b_row, b_column;
};

struct AdamNumbers {
  float beta_1, beta_2, step_size, epsilon;
};

namespace baseline {
#define LANES 4
constexpr int64_t kRows = 4;
#include "adam.inc"
#include "matmul.inc"
#undef LANES
}  // namespace baseline

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define GRADUS_X86 1

#pragma GCC push_options
#pragma GCC target("avx2,fma")
namespace avx2 {
#define LANES 8
constexpr int64_t kRows = 6;
#include "adam.inc"
#include "matmul.inc"
#undef LANES
}  // namespace avx2
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,prefer-vector-width=512")
namespace avx512 {
#define LANES 16
constexpr int64_t kRows = 8;
#include "adam.inc"
#include "matmul.inc"
#undef LANES
}  // namespace avx512
#pragma GCC pop_options
#endif

struct Kernels {
  const char* name;
  void (*matmul_rows)(const Product&, int64_t, int64_t);
  void (*adam)(AdamNumbers, float, int64_t, const float*, float*, float*, float*);
};

constexpr Kernels kBaseline = {"baseline", baseline::matmul_rows, baseline::adam};
#ifdef GRADUS_X86
constexpr Kernels kAvx2 = {"avx2", avx2::matmul_rows, avx2::adam};
constexpr Kernels kAvx512 = {"avx512", avx512::matmul_rows, avx512::adam};
#endif

// The instruction sets of this processor, the best first.
std::vector<const Kernels*> supported() {
  std::vector<const Kernels*> found;
#ifdef GRADUS_X86
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"))
    found.push_back(&kAvx512);
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) found.push_back(&kAvx2);
#endif
  found.push_back(&kBaseline);
  return found;
}

const Kernels* chosen = supported().front();

// --- parts on several threads ------------------------------------------------------------------

// The parts of a kernel's work. Whoever comes takes the next one, the caller too: so it never waits
// for a thread that has not begun, and a pool whose threads are all busy blocks nothing.
struct Parts {
  Product product;
  int64_t count, rows_per_part;
  std::atomic<int64_t> next{0};
  std::mutex mutex;
  std::condition_variable ended;
  int64_t done = 0;

  void work() {
    for (int64_t part; (part = next.fetch_add(1)) < count;) {
      const int64_t begin = part * rows_per_part;
      const int64_t end = begin + rows_per_part;
      chosen->matmul_rows(product, begin, end < product.rows ? end : product.rows);
      std::lock_guard<std::mutex> lock(mutex);
      if (++done == count) ended.notify_one();
    }
  }
};

constexpr double kOperationsPerPart = 8e6;  // below, waking a thread costs more than it gives

void run(ffi::ThreadPool& pool, const Product& product) {
  const double operations = 2.0 * product.rows * product.columns * product.depth;
  const int64_t most = static_cast<int64_t>(operations / kOperationsPerPart);
  const int64_t threads = most < 2 ? 1 : pool.num_threads() < most ? pool.num_threads() : most;
  if (threads < 2 || product.rows < 64) {
    chosen->matmul_rows(product, 0, product.rows);
    return;
  }
  auto parts = std::make_shared<Parts>();
  parts->product = product;
  const int64_t share = (product.rows + 2 * threads - 1) / (2 * threads);
  parts->rows_per_part = (share + 31) / 32 * 32;
  parts->count = (product.rows + parts->rows_per_part - 1) / parts->rows_per_part;
  for (int64_t i = 1; i < threads; ++i) pool.Schedule([parts] { parts->work(); });
  parts->work();
  std::unique_lock<std::mutex> lock(parts->mutex);
  parts->ended.wait(lock, [&] { return parts->done == parts->count; });
}

// --- handlers ----------------------------------------------------------------------------------

using Matrix = ffi::Buffer<ffi::F32, 2>;

ffi::Error matmul(ffi::ThreadPool pool, Matrix a, Matrix b, ffi::Result<Matrix> c, bool transpose_a,
                  bool transpose_b) {
  const int64_t a_rows = a.dimensions()[0], a_columns = a.dimensions()[1];
  const int64_t b_rows = b.dimensions()[0], b_columns = b.dimensions()[1];
  Product p;
  p.a = a.typed_data(), p.b = b.typed_data(), p.c = c->typed_data();
  p.rows = transpose_a ? a_columns : a_rows;
  p.depth = transpose_a ? a_rows : a_columns;
  p.columns = transpose_b ? b_rows : b_columns;
  p.a_row = transpose_a ? 1 : a_columns, p.a_column = transpose_a ? a_columns : 1;
  p.b_row = transpose_b ? 1 : b_columns, p.b_column = transpose_b ? b_columns : 1;
  if (p.depth != (transpose_b ? b_columns : b_rows) || p.rows != c->dimensions()[0] ||
      p.columns != c->dimensions()[1])
    return ffi::Error::InvalidArgument("matmul: the shapes do not fit");
  run(pool, p);
  return ffi::Error::Success();
}

// Arguments: the numbers (β₁, β₂, s, ε), a decay for each weight, then for each weight g, w, m, v;
// results: w, m, v of each, where the arguments were or elsewhere.
ffi::Error adam(ffi::RemainingArgs arguments, ffi::RemainingRets results) {
  const size_t leaves = results.size() / 3;
  if (results.size() != 3 * leaves || arguments.size() != 2 + 4 * leaves)
    return ffi::Error::InvalidArgument("adam: the number of arrays does not fit");
  auto numbers = arguments.get<ffi::BufferR1<ffi::F32>>(0);
  auto decays = arguments.get<ffi::BufferR1<ffi::F32>>(1);
  if (!numbers || !decays || numbers->element_count() != 4 || decays->element_count() != leaves)
    return ffi::Error::InvalidArgument("adam: its numbers do not fit");
  const float* n = numbers->typed_data();
  const AdamNumbers adam_numbers = {n[0], n[1], n[2], n[3]};
  for (size_t leaf = 0; leaf < leaves; ++leaf) {
    const float* from[4];
    size_t size = 0;
    for (size_t i = 0; i < 4; ++i) {
      auto array = arguments.get<ffi::AnyBuffer>(2 + 4 * leaf + i);
      if (!array || array->element_type() != ffi::F32 || (i && array->element_count() != size))
        return ffi::Error::InvalidArgument("adam: the arrays of a weight do not fit");
      size = array->element_count();
      from[i] = array->typed_data<float>();
    }
    float* to[3];
    for (size_t i = 0; i < 3; ++i) {
      auto array = results.get<ffi::AnyBuffer>(3 * leaf + i);
      if (!array || (*array)->element_type() != ffi::F32 || (*array)->element_count() != size)
        return ffi::Error::InvalidArgument("adam: a result does not fit");
      to[i] = (*array)->typed_data<float>();
      if (to[i] != from[i + 1]) std::memcpy(to[i], from[i + 1], size * sizeof(float));
    }
    chosen->adam(adam_numbers, decays->typed_data()[leaf], size, from[0], to[0], to[1], to[2]);
  }
  return ffi::Error::Success();
}

// Rows of a table by their numbers, which are below its length; a number outside is an error.
ffi::Error take_rows(ffi::AnyBuffer table, ffi::BufferR1<ffi::S32> rows,
                     ffi::Result<ffi::AnyBuffer> taken) {
  const int64_t count = table.dimensions().size() == 0 ? 0 : table.dimensions()[0];
  const int64_t bytes = count ? table.size_bytes() / count : 0;
  const int64_t wanted = rows.element_count();
  if (static_cast<int64_t>(taken->size_bytes()) != wanted * bytes)
    return ffi::Error::InvalidArgument("take_rows: the shapes do not fit");
  const char* from = static_cast<const char*>(table.untyped_data());
  char* to = static_cast<char*>(taken->untyped_data());
  const int32_t* numbers = rows.typed_data();
  for (int64_t i = 0; i < wanted; ++i) {
    if (numbers[i] < 0 || numbers[i] >= count)
      return ffi::Error::InvalidArgument("take_rows: a row is outside the table");
    std::memcpy(to + i * bytes, from + numbers[i] * bytes, bytes);
  }
  return ffi::Error::Success();
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(gradus_matmul, matmul,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<Matrix>()
                                  .Arg<Matrix>()
                                  .Ret<Matrix>()
                                  .Attr<bool>("transpose_a")
                                  .Attr<bool>("transpose_b"));

XLA_FFI_DEFINE_HANDLER_SYMBOL(gradus_adam, adam, ffi::Ffi::Bind().RemainingArgs().RemainingRets());

XLA_FFI_DEFINE_HANDLER_SYMBOL(
    gradus_take_rows, take_rows,
    ffi::Ffi::Bind().Arg<ffi::AnyBuffer>().Arg<ffi::BufferR1<ffi::S32>>().Ret<ffi::AnyBuffer>());

// Chooses an instruction set by its name, or the best for "on", and returns the name; null if this
// processor lacks it.
extern "C" const char* gradus_choose(const char* name) {
  for (const Kernels* kernels : supported())
    if (!std::strcmp(name, "on") || !std::strcmp(name, kernels->name)) {
      chosen = kernels;
      return kernels->name;
    }
  return nullptr;
}
