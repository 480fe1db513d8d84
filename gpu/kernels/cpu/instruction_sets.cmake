# Flags of the files that are compiled for one instruction set; everything else stays baseline. Included from
# gpu/CMakeLists.txt once the target stands.
#
# -ffp-contract=off: kernels say where they fuse; a compiler that fused here and not there would make results
# depend on how many tokens share a call. -O3 in every build type, but for the sanitizers': a debug build
# should still speak.
set(kernel_flags -ffp-contract=off -fno-math-errno -fno-trapping-math)
if(NOT MAYFLY_SANITIZE)
  list(APPEND kernel_flags -O3)
endif()
set(cpu_kernels ${CMAKE_CURRENT_SOURCE_DIR}/kernels/cpu)
set_source_files_properties(${cpu_kernels}/unpack.cpp PROPERTIES COMPILE_OPTIONS -ffp-contract=off)
set_source_files_properties(${cpu_kernels}/kernels_portable.cpp PROPERTIES COMPILE_OPTIONS "${kernel_flags}")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(avx2_flags -mavx2 -mfma -mf16c -mbmi2)
  set(avx512_flags ${avx2_flags} -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mprefer-vector-width=512)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # GCC 12 bug 105593: its own intrinsics read "undefined" vectors, warned about where they are inlined.
    list(APPEND avx512_flags -Wno-uninitialized -Wno-maybe-uninitialized)
  endif()
  set_source_files_properties(${cpu_kernels}/kernels_avx2.cpp
    PROPERTIES COMPILE_OPTIONS "${kernel_flags};${avx2_flags}")
  set_source_files_properties(${cpu_kernels}/kernels_avx512.cpp
    PROPERTIES COMPILE_OPTIONS "${kernel_flags};${avx512_flags}")
endif()
