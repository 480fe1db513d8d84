#include "gpu/kernels/cuda/library_products.hpp"

#include <algorithm>
#include <bit>

namespace mayfly::gpu::cuda {
namespace {

constexpr std::size_t fine_tokens = 256; // up to here a bucket is 16 tokens wide, beyond it is a power of two

std::size_t bucket_of(std::size_t tokens) {
  return tokens <= fine_tokens ? (tokens + 15) / 16 * 16 : std::bit_ceil(tokens);
}

cudaDataType type_of(number_format format) {
  return format == number_format::f32 ? CUDA_R_32F : format == number_format::f16 ? CUDA_R_16F : CUDA_R_16BF;
}

/// cuBLAS counts columns first: its first matrix is the weight, transposed; its result is the sums,
/// transposed.
class description {
public:
  description(dense_product const& product, std::size_t tokens) {
    keep(cublasLtMatmulDescCreate(&operation, CUBLAS_COMPUTE_32F, CUDA_R_32F));
    auto const transposed = CUBLAS_OP_T;
    if (status == CUBLAS_STATUS_SUCCESS)
      keep(cublasLtMatmulDescSetAttribute(operation, CUBLASLT_MATMUL_DESC_TRANSA, &transposed,
                                          sizeof transposed));
    auto const type = type_of(product.format);
    keep(cublasLtMatrixLayoutCreate(&weight, type, product.columns, product.rows,
                                    static_cast<std::int64_t>(product.weight_stride)));
    keep(cublasLtMatrixLayoutCreate(&x, type, product.columns, tokens,
                                    static_cast<std::int64_t>(product.columns)));
    keep(cublasLtMatrixLayoutCreate(&sums, CUDA_R_32F, product.rows, tokens,
                                    static_cast<std::int64_t>(product.sums_stride)));
  }
  ~description() {
    if (sums != nullptr) cublasLtMatrixLayoutDestroy(sums);
    if (x != nullptr) cublasLtMatrixLayoutDestroy(x);
    if (weight != nullptr) cublasLtMatrixLayoutDestroy(weight);
    if (operation != nullptr) cublasLtMatmulDescDestroy(operation);
  }
  description(description const&) = delete;
  description& operator=(description const&) = delete;

  cublasStatus_t status = CUBLAS_STATUS_SUCCESS;
  cublasLtMatmulDesc_t operation = nullptr;
  cublasLtMatrixLayout_t weight = nullptr;
  cublasLtMatrixLayout_t x = nullptr;
  cublasLtMatrixLayout_t sums = nullptr;

private:
  void keep(cublasStatus_t next) {
    if (status == CUBLAS_STATUS_SUCCESS) status = next;
  }
};

/// The largest power of two, up to what cuBLAS asks for, that an address is a multiple of.
std::uint32_t alignment_of(void const* address) {
  auto const lowest =
      reinterpret_cast<std::uintptr_t>(address) & (~reinterpret_cast<std::uintptr_t>(address) + 1);
  return static_cast<std::uint32_t>(std::clamp<std::uintptr_t>(lowest, 1, 256));
}

/// What an algorithm may count on.
class preference {
public:
  preference() { status = cublasLtMatmulPreferenceCreate(&handle); }
  ~preference() {
    if (handle != nullptr) cublasLtMatmulPreferenceDestroy(handle);
  }
  preference(preference const&) = delete;
  preference& operator=(preference const&) = delete;

  template <class T>
  void set(cublasLtMatmulPreferenceAttributes_t attribute, T const& value) {
    if (status == CUBLAS_STATUS_SUCCESS)
      status = cublasLtMatmulPreferenceSetAttribute(handle, attribute, &value, sizeof value);
  }

  cublasStatus_t status = CUBLAS_STATUS_SUCCESS;
  cublasLtMatmulPreference_t handle = nullptr;
};

} // namespace

library_products::shape library_products::shape_of(dense_product const& product) {
  return {product.format,
          product.rows,
          product.columns,
          bucket_of(product.tokens),
          product.weight_stride,
          product.sums_stride,
          alignment_of(product.weight),
          alignment_of(product.x),
          alignment_of(product.sums)};
}

cublasStatus_t library_products::choose(dense_product const& product, shape const& key, std::size_t tokens,
                                        cublasLtMatmulAlgo_t& chosen) {
  description const all(product, tokens);
  if (all.status != CUBLAS_STATUS_SUCCESS) return all.status;
  preference wanted;
  wanted.set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, product.workspace_bytes);
  wanted.set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, key.weight_alignment);
  wanted.set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, key.x_alignment);
  wanted.set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, key.sums_alignment);
  wanted.set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, key.sums_alignment);
  if (wanted.status != CUBLAS_STATUS_SUCCESS) return wanted.status;
  cublasLtMatmulHeuristicResult_t best{};
  int found = 0;
  auto const status = cublasLtMatmulAlgoGetHeuristic(handle_, all.operation, all.weight, all.x, all.sums,
                                                     all.sums, wanted.handle, 1, &best, &found);
  if (status != CUBLAS_STATUS_SUCCESS) return status;
  if (found == 0) return CUBLAS_STATUS_NOT_SUPPORTED;
  chosen = best.algo;
  return CUBLAS_STATUS_SUCCESS;
}

int library_products::run(dense_product const& product, cudaStream_t stream) {
  if (handle_ == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  auto const key = shape_of(product);
  auto known = algorithms_.find(key);
  if (known == algorithms_.end()) {
    cublasLtMatmulAlgo_t algorithm{};
    if (auto const status = choose(product, key, key.tokens, algorithm); status != CUBLAS_STATUS_SUCCESS)
      return status;
    known = algorithms_.emplace(key, algorithm).first;
  }
  description const exact(product, product.tokens);
  if (exact.status != CUBLAS_STATUS_SUCCESS) return exact.status;
  auto algorithm = known->second;
  cublasLtMatmulHeuristicResult_t checked{};
  // What serves the bucket may not serve this number of tokens.
  if (cublasLtMatmulAlgoCheck(handle_, exact.operation, exact.weight, exact.x, exact.sums, exact.sums,
                              &algorithm, &checked) != CUBLAS_STATUS_SUCCESS) {
    if (auto const status = choose(product, key, product.tokens, algorithm); status != CUBLAS_STATUS_SUCCESS)
      return status;
  }
  float const one = 1;
  float const kept = product.adds ? 1.0F : 0.0F;
  return cublasLtMatmul(handle_, exact.operation, &one, product.weight, exact.weight, product.x, exact.x,
                        &kept, product.sums, exact.sums, product.sums, exact.sums, &algorithm,
                        product.workspace, product.workspace_bytes, stream);
}

} // namespace mayfly::gpu::cuda
