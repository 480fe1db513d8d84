#include "gpu/kernels/cpu/cpu_backend.hpp"

namespace mayfly::gpu {
namespace {

using cpu::kernel_table;

#if defined(__x86_64__)
// The compiler's probe asks the operating system too whether it saves the registers.
bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2") &&
         __builtin_cpu_supports("f16c");
}

bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512vnni");
}

kernel_table const* find_kernels(instruction_set wanted) {
  auto const best = wanted == instruction_set::best;
  if ((best || wanted == instruction_set::avx512) && has_avx512()) return &cpu::avx512_kernels;
  if ((best || wanted == instruction_set::avx2) && has_avx2()) return &cpu::avx2_kernels;
  return best || wanted == instruction_set::portable ? &cpu::portable_kernels : nullptr;
}
#else
kernel_table const* find_kernels(instruction_set wanted) {
  auto const any = wanted == instruction_set::best || wanted == instruction_set::portable;
  return any ? &cpu::portable_kernels : nullptr;
}
#endif

} // namespace

result<std::unique_ptr<backend>> make_cpu_backend(cpu_options const& options) {
  auto const* const kernels = find_kernels(options.instructions);
  if (kernels == nullptr) {
    return error{errc::unsupported, "this machine lacks the instruction set (instruction_set)",
                 static_cast<std::int64_t>(options.instructions)};
  }
  return std::unique_ptr<backend>(std::make_unique<cpu::cpu_backend>(*kernels, options.threads));
}

} // namespace mayfly::gpu
