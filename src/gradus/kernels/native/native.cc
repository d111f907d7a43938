// Kernels of the training step for the CPU, called by XLA. See README.md beside the package.

#include <algorithm>
#include <atomic>
#include <cfloat>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#if defined(__linux__)
#include <pthread.h>
#include <sched.h>
#endif

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

namespace {

// C (rows × columns) = A (rows × depth) · B (depth × columns), with the strides of each. Then,
// where they are given: a bias (columns) is added, what is below zero becomes zero, and what has no
// positive number in the gate (rows × columns) becomes zero.
struct Product {
  const float* a;
  const float* b;
  float* c;
  int64_t rows, columns, depth, a_row, a_column, b_row, b_column, c_row;
  const float* bias = nullptr;
  const float* gate = nullptr;
  bool rectified = false;
};

// Rows and columns of C, which one thread computes.
struct Part {
  int64_t first, last, left, right;
};

// Of an optimizer's rule; what each is, optimizers.inc says.
struct Numbers {
  float step_size, beta_1, beta_2, epsilon, decay, penalty;
};

// Sequences that a recurrent layer reads, and their gradients: arrays with their steps first, then
// samples, each of some parts of `units` numbers.
struct Sequences {
  int64_t steps, batch, units;
  const float* x;       // the inputs, projected
  const float* kernel;  // U (units × parts · units)
  const float* bias;    // or null
  const bool* mask;     // false where a step is padding; or null
  float* h;             // the output of each step
  float* kept;          // what the way back needs of each
  const float* dh;      // of all steps, or of the last
  bool of_all_steps;
  float* dx;
  float* dr;  // the gradient of h · U + b; dx where they are the same
};

// What a layer gave for some samples, and sums over them that each unit has.
struct Outputs {
  const float* values;  // (samples × units)
  int64_t samples, units;
  double* means;
  double* sizes;    // of absolute values
  double* squares;  // of deviations from the mean
};

// Elements that are kept where 16 random bits are at least `limit`. A counter gives four of them.
struct Mask {
  uint32_t key[2];
  float limit;
  int64_t size, counters;
  bool* kept;
};

// Rows of logits with their labels, the smoothing of these, and where their cross-entropies go, or
// the derivatives of those.
struct Logits {
  const float* z;
  const int32_t* labels;
  float smoothing;
  int64_t classes;
  float* to;
};

// Memory for `size` numbers, whose values are anything; what a thread had before it is used again.
template <typename Number>
Number* scratch(std::vector<Number>& memory, size_t size) {
  if (memory.size() < size) memory.resize(size);
  return memory.data();
}

namespace baseline {
#define LANES 4
constexpr int64_t kRows = 4;
#include "kernels.inc"
#undef LANES
}  // namespace baseline

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define GRADUS_X86 1

#pragma GCC push_options
#pragma GCC target("avx2,fma")
namespace avx2 {
#define LANES 8
constexpr int64_t kRows = 6;
#include "kernels.inc"
#undef LANES
}  // namespace avx2
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,prefer-vector-width=512")
namespace avx512 {
#define LANES 16
#define GRADUS_RECIPROCALS 1
constexpr int64_t kRows = 8;
#include "kernels.inc"
#undef GRADUS_RECIPROCALS
#undef LANES
}  // namespace avx512
#pragma GCC pop_options
#endif

// An optimizer's rule: of numbers that lie side by side, and of rows of a product.
struct Optimizer {
  const char* name;
  size_t states;  // arrays of a weight, besides itself
  void (*update)(const Numbers&, int64_t, const float*, float* const*);
  void (*update_part)(const Product&, const Part&, const Numbers&, float* const*);
};

// A recurrent layer: how many parts its inputs have, and what it keeps.
struct Recurrence {
  const char* name;
  int64_t width, kept;
  void (*forward)(const Sequences&, int64_t, int64_t);
  void (*backward)(const Sequences&, int64_t, int64_t);
};

struct Kernels {
  const char* name;
  void (*matmul_part)(const Product&, const Part&);
  void (*add_half)(const Product&, const float*);
  Optimizer optimizers[5];
  Recurrence recurrences[2];
  double (*sum_squares)(const float*, const float*, int64_t);
  void (*sum_units)(const Outputs&, int64_t, int64_t);
  uint32_t (*largest_exponent)(const float*, int64_t);
  void (*keep)(const Mask&, int64_t, int64_t);
  void (*cross_entropy)(const Logits&, int64_t, int64_t);
  void (*cross_entropy_gradient)(const Logits&, int64_t, int64_t);
};

#define RULE(space, name, type) \
  {name, space::type::kStates, space::update<space::type>, space::update_part<space::type>}
#define CELL(space, name, type)                                                    \
  {name, space::type::kWidth, space::type::kKept, space::run_forward<space::type>, \
   space::run_backward<space::type>}
#define KERNELS(space)                                                                         \
  {#space,                                                                                     \
   space::matmul_part,                                                                         \
   space::add_half,                                                                            \
   {RULE(space, "adam", Adam), RULE(space, "sgd", Descent), RULE(space, "momentum", Momentum), \
    RULE(space, "nesterov", Nesterov), RULE(space, "rmsprop", RMSprop)},                       \
   {CELL(space, "lstm", Lstm), CELL(space, "gru", Gru)},                                       \
   space::sum_squares,                                                                         \
   space::sum_units,                                                                           \
   space::largest_exponent,                                                                    \
   space::keep,                                                                                \
   space::cross_entropy,                                                                       \
   space::cross_entropy_gradient}
constexpr Kernels kBaseline = KERNELS(baseline);
#ifdef GRADUS_X86
constexpr Kernels kAvx2 = KERNELS(avx2);
constexpr Kernels kAvx512 = KERNELS(avx512);
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

constexpr float kUnrecorded = -FLT_MAX;  // where there is nothing to record

#include "threads.inc"

// --- parts of a product ------------------------------------------------------------------------

constexpr int64_t kDeep = 1024;  // of a product, above which packing B takes longest

// Calls `compute` with parts of C: rows, or columns where each thread would pack all of B
// otherwise, which takes long if it is transposed or deep.
template <typename Compute>
void in_parts_of_c(const Caller& caller, const Product& p, Compute compute) {
  const double operations = 2.0 * p.rows * p.columns * p.depth;
  const bool deep = p.a_column != 1 && p.depth >= kDeep && p.columns > p.rows;
  if (deep || (p.b_column != 1 && p.columns >= 64))
    in_parts(caller, operations, p.columns, 32,
             [&](int64_t left, int64_t right) { compute(Part{0, p.rows, left, right}); });
  else
    in_parts(caller, operations, p.rows, 8,
             [&](int64_t first, int64_t last) { compute(Part{first, last, 0, p.columns}); });
}

// Whether a product is the sum of two, of the halves of its depth: where A has few rows for that,
// and several threads pay. Then a thread reads the rows of B that it also updates (`update`), which
// its core's cache has. The shapes alone decide, so the bits do not depend on the threads.
bool has_halves(const Product& p) {
  return p.a_column == 1 && p.b_column == 1 && p.depth >= 2 * p.rows &&
         2.0 * p.rows * p.columns * p.depth >= 2 * kOperationsPerThread;
}

void multiply_halves(const Caller& caller, const Product& p) {
  static thread_local std::vector<float> memory;
  const int64_t size = p.rows * p.columns, half = (p.depth / 2 + 7) / 8 * 8;
  Product halves[2] = {p, p};
  for (Product& each : halves) each.bias = each.gate = nullptr, each.rectified = false;
  halves[0].depth = half;
  halves[1].depth = p.depth - half;
  halves[1].a += half;
  halves[1].b += half * p.b_row;
  halves[1].c = scratch(memory, size);
  in_parts(caller, 2.0 * size * p.depth, 2 * p.rows, 8, [&](int64_t first, int64_t last) {
    for (const Product& each : halves) {
      const Part rows = {std::max<int64_t>(first, 0), std::min(last, p.rows), 0, p.columns};
      if (rows.first < rows.last) chosen->matmul_part(each, rows);
      first -= p.rows, last -= p.rows;
    }
  });
  chosen->add_half(p, halves[1].c);
}

// --- handlers ----------------------------------------------------------------------------------

using Matrix = ffi::Buffer<ffi::F32, 2>;

// The product of two matrices, either of them transposed; false if their shapes do not fit.
bool make_product(Matrix a, Matrix b, bool transpose_a, bool transpose_b, Product& p) {
  const int64_t a_rows = a.dimensions()[0], a_columns = a.dimensions()[1];
  const int64_t b_rows = b.dimensions()[0], b_columns = b.dimensions()[1];
  p.a = a.typed_data(), p.b = b.typed_data(), p.c = nullptr;
  p.rows = transpose_a ? a_columns : a_rows;
  p.depth = transpose_a ? a_rows : a_columns;
  p.columns = p.c_row = transpose_b ? b_rows : b_columns;
  p.a_row = transpose_a ? 1 : a_columns, p.a_column = transpose_a ? a_columns : 1;
  p.b_row = transpose_b ? 1 : b_columns, p.b_column = transpose_b ? b_columns : 1;
  return p.depth == (transpose_b ? b_columns : b_rows);
}

// Arguments: a, b, then what `then` names in this order: "b" a bias, "r" the zero in place of what
// is below it, "g" a gate.
ffi::Error matmul(ffi::ThreadPool pool, ffi::RunId run, ffi::RemainingArgs arguments,
                  ffi::Result<Matrix> c, bool transpose_a, bool transpose_b,
                  std::string_view then) {
  const Caller caller = {pool, run.run_id};
  const auto wrong = [] { return ffi::Error::InvalidArgument("matmul: the shapes do not fit"); };
  auto a = arguments.get<Matrix>(0), b = arguments.get<Matrix>(1);
  Product p;
  if (!a || !b || !make_product(*a, *b, transpose_a, transpose_b, p) ||
      p.rows != c->dimensions()[0] || p.columns != c->dimensions()[1])
    return wrong();
  size_t next = 2;
  for (char kind : then) {
    if (kind == 'r') {
      p.rectified = true;
    } else if (kind == 'b') {
      auto bias = arguments.get<ffi::BufferR1<ffi::F32>>(next++);
      if (!bias || bias->dimensions()[0] != p.columns) return wrong();
      p.bias = bias->typed_data();
    } else {
      auto gate = arguments.get<Matrix>(next++);
      if (!gate || gate->dimensions()[0] != p.rows || gate->dimensions()[1] != p.columns)
        return wrong();
      p.gate = gate->typed_data();
    }
  }
  if (arguments.size() != next) return wrong();
  p.c = c->typed_data();
  if (has_halves(p))
    multiply_halves(caller, p);
  else
    in_parts_of_c(caller, p, [&](const Part& part) { chosen->matmul_part(p, part); });
  return ffi::Error::Success();
}

constexpr double kOperationsPerWeight = 60;  // that take as long as to update one

// A weight, with its gradient or the product that is its gradient.
struct Leaf {
  const float* gradient;
  Product product;
  size_t size;
  float* arrays[3];  // the weight, and the states that its rule has
  Numbers numbers;
};

// Arguments: the numbers of a rule, then for each weight its gradient g, itself, and its states.
// Where `gradients` has a p, a and b stand in place of g = aᵀ b; where it has a q, a, b, and a
// number p in place of g = aᵀ b + p w; then the loss comes last, which is not read: who computes it
// has read the weights before they change. Results: the weight and states of each, where the
// arguments were or elsewhere. Weights decay where `decays` has a d.
ffi::Error update(ffi::ThreadPool pool, ffi::RunId run, ffi::RemainingArgs arguments,
                  ffi::RemainingRets results, std::string_view name, std::string_view decays,
                  std::string_view gradients) {
  const Caller caller = {pool, run.run_id};
  const auto wrong = [](const char* what) {
    return ffi::Error::InvalidArgument(std::string("update: ") + what + " do not fit");
  };
  const Optimizer* rule = nullptr;
  for (const Optimizer& known : chosen->optimizers)
    if (name == known.name) rule = &known;
  if (!rule) return wrong("the rules");
  const size_t count = gradients.size(), arrays = 1 + rule->states;
  size_t wanted = 1 + (1 + arrays) * count;
  bool penalized = false;
  for (char kind : gradients) {
    wanted += kind == 'p' ? 1 : kind == 'q' ? 2 : 0;
    penalized |= kind == 'q';
  }
  wanted += penalized;
  if (decays.size() != count || results.size() != arrays * count || arguments.size() != wanted)
    return wrong("the arrays");
  auto of_rule = arguments.get<ffi::BufferR1<ffi::F32>>(0);
  if (!of_rule || of_rule->element_count() != 5) return wrong("the numbers");
  const float* n = of_rule->typed_data();
  std::vector<Leaf> leaves(count);
  size_t next = 1;
  for (size_t i = 0; i < count; ++i) {
    Leaf& leaf = leaves[i];
    leaf.numbers = {n[0], n[1], n[2], n[3], decays[i] == 'd' ? n[4] : 0, 0};
    if (gradients[i] != 'g') {
      auto a = arguments.get<Matrix>(next), b = arguments.get<Matrix>(next + 1);
      if (!a || !b || !make_product(*a, *b, true, false, leaf.product)) return wrong("two factors");
      leaf.gradient = nullptr;
      leaf.size = leaf.product.rows * leaf.product.columns;
      next += 2;
      if (gradients[i] == 'q') {
        auto penalty = arguments.get<ffi::BufferR0<ffi::F32>>(next++);
        if (!penalty) return wrong("the penalties");
        leaf.numbers.penalty = *penalty->typed_data();
      }
    } else {
      auto any = arguments.get<ffi::AnyBuffer>(next);
      if (!any || any->element_type() != ffi::F32) return wrong("the gradients");
      leaf.gradient = any->typed_data<float>();
      leaf.size = any->element_count();
      ++next;
    }
    for (size_t k = 0; k < arrays; ++k) {
      auto array = arguments.get<ffi::AnyBuffer>(next++);
      auto result = results.get<ffi::AnyBuffer>(arrays * i + k);
      if (!array || array->element_type() != ffi::F32 || array->element_count() != leaf.size ||
          !result || (*result)->element_type() != ffi::F32 ||
          (*result)->element_count() != leaf.size)
        return wrong("the arrays of a weight");
      leaf.arrays[k] = (*result)->typed_data<float>();
      if (leaf.arrays[k] != array->typed_data<float>())
        std::memcpy(leaf.arrays[k], array->untyped_data(), array->size_bytes());
    }
  }
  for (const Leaf& leaf : leaves) {
    if (leaf.gradient) {
      const int64_t size = static_cast<int64_t>(leaf.size);
      in_parts(caller, kOperationsPerWeight * size, size, 64, [&](int64_t first, int64_t last) {
        float* arrays[3];
        for (size_t k = 0; k < 1 + rule->states; ++k) arrays[k] = leaf.arrays[k] + first;
        rule->update(leaf.numbers, last - first, leaf.gradient + first, arrays);
      });
      continue;
    }
    in_parts_of_c(caller, leaf.product, [&](const Part& part) {
      rule->update_part(leaf.product, part, leaf.numbers, leaf.arrays);
    });
  }
  return ffi::Error::Success();
}

using Steps = ffi::Buffer<ffi::F32, 3>;

// Whether an array has the steps and the samples of others, and `width` numbers of each.
bool has_shape(const Steps& array, const Sequences& s, int64_t width) {
  return array.dimensions()[0] == s.steps && array.dimensions()[1] == s.batch &&
         array.dimensions()[2] == width;
}

// Some samples at a time go through all steps, on several threads if that pays.
template <typename Compute>
void in_parts_of_batch(const Caller& caller, const Sequences& s, Compute compute) {
  in_parts(caller, 8.0 * s.steps * s.batch * s.units * s.units, s.batch, 8, compute);
}

ffi::Error wrong_sequences() {
  return ffi::Error::InvalidArgument("recurrence: the arrays do not fit");
}

const Recurrence* find_recurrence(std::string_view name) {
  for (const Recurrence& known : chosen->recurrences)
    if (name == known.name) return &known;
  return nullptr;
}

// Takes the sizes, U, and the mask where there is one, from the arguments after the first, whose
// last axis has `parts` of the units.
bool take_sequences(const Recurrence& cell, const Steps& first, int64_t parts,
                    ffi::RemainingArgs arguments, bool masked, Sequences& s) {
  auto kernel = arguments.get<Matrix>(0);
  if (!kernel) return false;
  s.steps = first.dimensions()[0], s.batch = first.dimensions()[1];
  s.units = kernel->dimensions()[0], s.kernel = kernel->typed_data();
  if (kernel->dimensions()[1] != cell.width * s.units || !has_shape(first, s, parts * s.units))
    return false;
  if (!masked) return true;
  auto mask = arguments.get<ffi::Buffer<ffi::PRED, 2>>(1);
  if (!mask || mask->dimensions()[0] != s.steps || mask->dimensions()[1] != s.batch) return false;
  s.mask = mask->typed_data();
  return true;
}

// Arguments: x, U, the mask where there is one, the bias where there is one. Results: h after each
// step, and what is kept of it.
ffi::Error recurrence(ffi::ThreadPool pool, ffi::RunId run, Steps x, ffi::RemainingArgs arguments,
                      ffi::Result<Steps> h, ffi::Result<Steps> kept, std::string_view cell,
                      bool masked, bool biased) {
  const Caller caller = {pool, run.run_id};
  Sequences s = {};
  const Recurrence* found = find_recurrence(cell);
  if (!found || arguments.size() != 1 + size_t{masked} + size_t{biased} ||
      !take_sequences(*found, x, found->width, arguments, masked, s) ||
      !has_shape(*h, s, s.units) || !has_shape(*kept, s, found->kept * s.units))
    return wrong_sequences();
  if (biased) {
    auto bias = arguments.get<ffi::BufferR1<ffi::F32>>(1 + masked);
    if (!bias || bias->dimensions()[0] != found->width * s.units) return wrong_sequences();
    s.bias = bias->typed_data();
  }
  s.x = x.typed_data(), s.h = h->typed_data(), s.kept = kept->typed_data();
  in_parts_of_batch(caller, s, [&](int64_t begin, int64_t end) { found->forward(s, begin, end); });
  return ffi::Error::Success();
}

// Arguments: what was kept, U, the mask where there is one, h, and its gradient, of all steps or of
// the last. Results: the gradient of x, and that of h U + b unless it is the same.
ffi::Error recurrence_gradient(ffi::ThreadPool pool, ffi::RunId run, Steps kept,
                               ffi::RemainingArgs arguments, ffi::RemainingRets results,
                               std::string_view cell, bool masked) {
  const Caller caller = {pool, run.run_id};
  Sequences s = {};
  const Recurrence* found = find_recurrence(cell);
  if (!found || arguments.size() != 3 + size_t{masked} || results.size() < 1 ||
      results.size() > 2 || !take_sequences(*found, kept, found->kept, arguments, masked, s))
    return wrong_sequences();
  auto h = arguments.get<Steps>(1 + masked);
  auto dh = arguments.get<ffi::AnyBuffer>(2 + masked);
  auto dx = results.get<Steps>(0), dr = results.get<Steps>(results.size() - 1);
  if (!h || !has_shape(*h, s, s.units) || !dh || dh->element_type() != ffi::F32 || !dx || !dr ||
      !has_shape(**dx, s, found->width * s.units) || !has_shape(**dr, s, found->width * s.units))
    return wrong_sequences();
  s.of_all_steps = dh->dimensions().size() == 3;
  const int64_t steps = s.of_all_steps ? s.steps : 1;
  if (static_cast<int64_t>(dh->element_count()) != steps * s.batch * s.units)
    return wrong_sequences();
  s.kept = kept.typed_data(), s.h = h->typed_data(), s.dh = dh->typed_data<float>();
  s.dx = (*dx)->typed_data(), s.dr = (*dr)->typed_data();
  in_parts_of_batch(caller, s, [&](int64_t begin, int64_t end) { found->backward(s, begin, end); });
  return ffi::Error::Success();
}

constexpr double kOperationsPerByte = 60;  // that take as long as to copy one
constexpr int64_t kAhead = 2;              // rows that are read before they are copied

void prefetch([[maybe_unused]] const char* from, int64_t first, int64_t last) {
#if defined(__GNUC__)
  for (int64_t i = first; i < last; i += 64) __builtin_prefetch(from + i);
#endif
}

// Rows of tables by their numbers, which are below their lengths; a number outside is an error.
// Arguments: the numbers, then the tables. Results: the rows of each. A thread copies some columns:
// those whose weights it updates, if the next kernel is a layer's.
ffi::Error take_rows(ffi::ThreadPool pool, ffi::RunId run, ffi::RemainingArgs arguments,
                     ffi::RemainingRets results) {
  const Caller caller = {pool, run.run_id};
  auto rows = arguments.get<ffi::BufferR1<ffi::S32>>(0);
  if (!rows || arguments.size() != results.size() + 1)
    return ffi::Error::InvalidArgument("take_rows: the arrays do not fit");
  const int64_t wanted = rows->element_count();
  const int32_t* numbers = rows->typed_data();
  for (size_t k = 0; k < results.size(); ++k) {
    auto table = arguments.get<ffi::AnyBuffer>(k + 1);
    auto taken = results.get<ffi::AnyBuffer>(k);
    const int64_t count = !table || table->dimensions().size() == 0 ? 0 : table->dimensions()[0];
    const int64_t bytes = count ? table->size_bytes() / count : 0;
    if (!taken || static_cast<int64_t>((*taken)->size_bytes()) != wanted * bytes)
      return ffi::Error::InvalidArgument("take_rows: the shapes do not fit");
    const char* from = static_cast<const char*>(table->untyped_data());
    char* to = static_cast<char*>((*taken)->untyped_data());
    for (int64_t i = 0; i < wanted; ++i)
      if (numbers[i] < 0 || numbers[i] >= count)
        return ffi::Error::InvalidArgument("take_rows: a row is outside the table");
    in_parts(
        caller, kOperationsPerByte * wanted * bytes, bytes, 64, [&](int64_t first, int64_t last) {
          for (int64_t i = 0; i < wanted; ++i) {
            if (i + kAhead < wanted) prefetch(from + numbers[i + kAhead] * bytes, first, last);
            std::memcpy(to + i * bytes + first, from + numbers[i] * bytes + first, last - first);
          }
        });
  }
  return ffi::Error::Success();
}

constexpr double kOperationsPerOutput = 8;  // that take as long as to add up one

// Writes of a layer: the mean of its outputs, the share of silent channels, the variance of the
// units' means, the mean of their variances, and the share of saturated outputs.
void write_layer(const Caller& caller, Outputs o, int64_t channels, const bool* saturated,
                 float* to) {
  static thread_local std::vector<double> memory;
  o.means = scratch(memory, 3 * o.units + channels);
  o.sizes = o.means + o.units, o.squares = o.sizes + o.units;
  double* of_channels = o.squares + o.units;
  const int64_t size = o.samples * o.units;
  in_parts(caller, kOperationsPerOutput * size, o.units, 64,
           [&](int64_t first, int64_t last) { chosen->sum_units(o, first, last); });
  std::fill_n(of_channels, channels, 0.0);
  double mean = 0, between = 0, within = 0;
  for (int64_t j = 0; j < o.units; ++j) {
    of_channels[j % channels] += o.sizes[j];
    mean += o.means[j];
    within += o.squares[j];
  }
  mean /= o.units;
  for (int64_t j = 0; j < o.units; ++j) between += (o.means[j] - mean) * (o.means[j] - mean);
  to[0] = mean;
  to[1] = std::count(of_channels, of_channels + channels, 0.0) / static_cast<double>(channels);
  to[2] = between / o.units;
  to[3] = within / size;
  to[4] = saturated ? std::count(saturated, saturated + size, true) / static_cast<double>(size)
                    : kUnrecorded;
}

// Arguments: for each of `layers` its outputs (samples first), then, where it has an s, which of
// them are saturated; nothing where it has an m. Then of each weight its gradient, itself, and what
// it becomes. Result: five numbers for each layer, and three for each weight, the sums of the
// squares of the gradient, the weight, and its change.
ffi::Error statistics(ffi::ThreadPool pool, ffi::RunId run, ffi::RemainingArgs arguments,
                      ffi::Result<ffi::BufferR1<ffi::F32>> result, std::string_view layers) {
  const auto wrong = [] {
    return ffi::Error::InvalidArgument("statistics: the arrays do not fit");
  };
  const Caller caller = {pool, run.run_id};
  float* to = result->typed_data();
  const float* end = to + result->element_count();
  size_t next = 0;
  for (char kind : layers) {
    if (end - to < 5) return wrong();
    if (kind == 'm') {
      std::fill_n(to, 5, kUnrecorded);
    } else {
      auto outputs = arguments.get<ffi::AnyBuffer>(next++);
      if (!outputs || outputs->element_type() != ffi::F32 || outputs->dimensions().size() == 0 ||
          outputs->element_count() == 0)
        return wrong();
      const auto shape = outputs->dimensions();
      const int64_t samples = shape[0], units = outputs->element_count() / samples;
      const bool* saturated = nullptr;
      if (kind == 's') {
        auto mask = arguments.get<ffi::AnyBuffer>(next++);
        if (!mask || mask->element_type() != ffi::PRED ||
            mask->element_count() != outputs->element_count())
          return wrong();
        saturated = mask->typed_data<bool>();
      }
      write_layer(caller, {outputs->typed_data<float>(), samples, units, nullptr, nullptr, nullptr},
                  shape.size() == 1 ? 1 : shape.back(), saturated, to);
    }
    to += 5;
  }
  for (; next < arguments.size(); next += 3, to += 3) {
    const float* arrays[3];
    size_t size = 0;
    for (size_t k = 0; k < 3; ++k) {
      auto array = arguments.get<ffi::AnyBuffer>(next + k);
      if (!array || array->element_type() != ffi::F32 || end - to < 3 ||
          (k && array->element_count() != size))
        return wrong();
      size = array->element_count();
      arrays[k] = array->typed_data<float>();
    }
    to[0] = chosen->sum_squares(arrays[0], nullptr, size);
    to[1] = chosen->sum_squares(arrays[1], nullptr, size);
    to[2] = chosen->sum_squares(arrays[2], arrays[1], size);
  }
  return to == end ? ffi::Error::Success() : wrong();
}

constexpr double kOperationsPerCounter = 200;  // that take as long as to draw four elements

// Arguments: the key, the share that is not kept, and the numbers to fold into the key. Result:
// which elements are kept.
ffi::Error keep_mask(ffi::ThreadPool pool, ffi::RunId run, ffi::BufferR1<ffi::U32> key,
                     ffi::BufferR0<ffi::F32> rate, ffi::RemainingArgs numbers,
                     ffi::Result<ffi::AnyBuffer> kept) {
  const auto wrong = [] { return ffi::Error::InvalidArgument("keep_mask: the arrays do not fit"); };
  if (key.element_count() != 2 || kept->element_type() != ffi::PRED) return wrong();
  Mask m = {};
  std::copy_n(key.typed_data(), 2, m.key);
  for (size_t i = 0; i < numbers.size(); ++i) {
    auto number = numbers.get<ffi::AnyBuffer>(i);
    if (!number || number->size_bytes() != 4) return wrong();
    uint32_t x = 1, y;
    std::memcpy(&y, number->untyped_data(), 4);
    baseline::threefry<1>(m.key, &x, &y);
    m.key[0] = x, m.key[1] = y;
  }
  m.limit = *rate.typed_data() * 65536.0f;
  m.size = kept->element_count(), m.counters = (m.size + 3) / 4;
  m.kept = kept->typed_data<bool>();
  in_parts({pool, run.run_id}, kOperationsPerCounter * m.counters, m.counters, 64,
           [&](int64_t first, int64_t last) { chosen->keep(m, first, last); });
  return ffi::Error::Success();
}

constexpr double kOperationsPerLogit = 30;  // that take as long as to read one and its exponential

// Arguments: logits (rows × classes), labels, and their smoothing. Result: the cross-entropy of
// each row, or its derivative by each logit.
ffi::Error cross_entropy(ffi::ThreadPool pool, ffi::RunId run, Matrix z,
                         ffi::BufferR1<ffi::S32> labels, ffi::BufferR0<ffi::F32> smoothing,
                         ffi::Result<ffi::AnyBuffer> result) {
  const int64_t rows = z.dimensions()[0], classes = z.dimensions()[1];
  const auto shape = result->dimensions();
  const bool derived = shape.size() == 2;
  if (result->element_type() != ffi::F32 || shape.size() < 1 || shape.size() > 2 ||
      shape[0] != rows || (derived && shape[1] != classes) ||
      static_cast<int64_t>(labels.element_count()) != rows)
    return ffi::Error::InvalidArgument("cross_entropy: the arrays do not fit");
  const Logits l = {z.typed_data(), labels.typed_data(), *smoothing.typed_data(), classes,
                    result->typed_data<float>()};
  const auto compute = derived ? chosen->cross_entropy_gradient : chosen->cross_entropy;
  in_parts({pool, run.run_id}, kOperationsPerLogit * rows * classes, rows, 8,
           [&](int64_t first, int64_t last) { compute(l, first, last); });
  return ffi::Error::Success();
}

// Arguments: arrays. Result: whether no number of them is infinite or NaN.
ffi::Error all_finite(ffi::RemainingArgs arrays, ffi::Result<ffi::BufferR0<ffi::PRED>> result) {
  uint32_t largest = 0;  // exponent of a number
  for (size_t i = 0; i < arrays.size(); ++i) {
    auto array = arrays.get<ffi::AnyBuffer>(i);
    if (!array || array->element_type() != ffi::F32)
      return ffi::Error::InvalidArgument("all_finite: the arrays do not fit");
    largest = std::max(
        largest, chosen->largest_exponent(array->typed_data<float>(), array->element_count()));
  }
  *result->typed_data() = largest < 255;
  return ffi::Error::Success();
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(gradus_matmul, matmul,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Ctx<ffi::RunId>()
                                  .RemainingArgs()
                                  .Ret<Matrix>()
                                  .Attr<bool>("transpose_a")
                                  .Attr<bool>("transpose_b")
                                  .Attr<std::string_view>("then"));

XLA_FFI_DEFINE_HANDLER_SYMBOL(gradus_update, update,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Ctx<ffi::RunId>()
                                  .RemainingArgs()
                                  .RemainingRets()
                                  .Attr<std::string_view>("rule")
                                  .Attr<std::string_view>("decays")
                                  .Attr<std::string_view>("gradients"));

XLA_FFI_DEFINE_HANDLER_SYMBOL(gradus_recurrence, recurrence,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Ctx<ffi::RunId>()
                                  .Arg<Steps>()
                                  .RemainingArgs()
                                  .Ret<Steps>()
                                  .Ret<Steps>()
                                  .Attr<std::string_view>("cell")
                                  .Attr<bool>("masked")
                                  .Attr<bool>("biased"));

XLA_FFI_DEFINE_HANDLER_SYMBOL(gradus_recurrence_gradient, recurrence_gradient,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Ctx<ffi::RunId>()
                                  .Arg<Steps>()
                                  .RemainingArgs()
                                  .RemainingRets()
                                  .Attr<std::string_view>("cell")
                                  .Attr<bool>("masked"));

XLA_FFI_DEFINE_HANDLER_SYMBOL(
    gradus_take_rows, take_rows,
    ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().Ctx<ffi::RunId>().RemainingArgs().RemainingRets());

XLA_FFI_DEFINE_HANDLER_SYMBOL(gradus_statistics, statistics,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Ctx<ffi::RunId>()
                                  .RemainingArgs()
                                  .Ret<ffi::BufferR1<ffi::F32>>()
                                  .Attr<std::string_view>("layers"));

XLA_FFI_DEFINE_HANDLER_SYMBOL(gradus_keep_mask, keep_mask,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Ctx<ffi::RunId>()
                                  .Arg<ffi::BufferR1<ffi::U32>>()
                                  .Arg<ffi::BufferR0<ffi::F32>>()
                                  .RemainingArgs()
                                  .Ret<ffi::AnyBuffer>());

XLA_FFI_DEFINE_HANDLER_SYMBOL(gradus_cross_entropy, cross_entropy,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Ctx<ffi::RunId>()
                                  .Arg<Matrix>()
                                  .Arg<ffi::BufferR1<ffi::S32>>()
                                  .Arg<ffi::BufferR0<ffi::F32>>()
                                  .Ret<ffi::AnyBuffer>());

XLA_FFI_DEFINE_HANDLER_SYMBOL(gradus_all_finite, all_finite,
                              ffi::Ffi::Bind().RemainingArgs().Ret<ffi::BufferR0<ffi::PRED>>());

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
