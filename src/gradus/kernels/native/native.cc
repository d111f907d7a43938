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

#include "arguments.inc"

namespace baseline {
#define LANES 4
constexpr int64_t kRows = 4;
#include "instructions/kernels.inc"
#undef LANES
}  // namespace baseline

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define GRADUS_X86 1

#pragma GCC push_options
#pragma GCC target("avx2,fma")
namespace avx2 {
#define LANES 8
constexpr int64_t kRows = 6;
#include "instructions/kernels.inc"
#undef LANES
}  // namespace avx2
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,prefer-vector-width=512")
namespace avx512 {
#define LANES 16
#define GRADUS_RECIPROCALS 1
constexpr int64_t kRows = 8;
#include "instructions/kernels.inc"
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
   space::cross_entropy}
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

#include "threads.inc"

}  // namespace

#include "handlers/cross_entropy.inc"
#include "handlers/finite.inc"
#include "handlers/matmul.inc"
#include "handlers/recurrence.inc"
#include "handlers/rows.inc"
#include "handlers/statistics.inc"
#include "handlers/threefry.inc"
#include "handlers/updates.inc"

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
