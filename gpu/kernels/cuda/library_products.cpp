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

cublasStatus_t choose(cublasLtHandle_t handle, description const& all, std::size_t workspace_bytes,
                      cublasLtMatmulAlgo_t& chosen) {
  cublasLtMatmulPreference_t preference = nullptr;
  if (auto const status = cublasLtMatmulPreferenceCreate(&preference); status != CUBLAS_STATUS_SUCCESS)
    return status;
  cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace_bytes,
                                       sizeof workspace_bytes);
  cublasLtMatmulHeuristicResult_t best{};
  int found = 0;
  auto const status = cublasLtMatmulAlgoGetHeuristic(handle, all.operation, all.weight, all.x, all.sums,
                                                     all.sums, preference, 1, &best, &found);
  cublasLtMatmulPreferenceDestroy(preference);
  if (status != CUBLAS_STATUS_SUCCESS) return status;
  if (found == 0) return CUBLAS_STATUS_NOT_SUPPORTED;
  chosen = best.algo;
  return CUBLAS_STATUS_SUCCESS;
}

} // namespace

int library_products::run(dense_product const& product, cudaStream_t stream) {
  if (handle_ == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  shape const key{product.format,        product.rows,       product.columns, bucket_of(product.tokens),
                  product.weight_stride, product.sums_stride};
  auto known = algorithms_.find(key);
  if (known == algorithms_.end()) {
    description const bucket(product, key.tokens);
    cublasLtMatmulAlgo_t algorithm{};
    auto const status = bucket.status == CUBLAS_STATUS_SUCCESS
                            ? choose(handle_, bucket, product.workspace_bytes, algorithm)
                            : bucket.status;
    if (status != CUBLAS_STATUS_SUCCESS) return status;
    known = algorithms_.emplace(key, algorithm).first;
  }
  description const exact(product, product.tokens);
  if (exact.status != CUBLAS_STATUS_SUCCESS) return exact.status;
  float const one = 1;
  float const kept = product.adds ? 1.0F : 0.0F;
  return cublasLtMatmul(handle_, exact.operation, &one, product.weight, exact.weight, product.x, exact.x,
                        &kept, product.sums, exact.sums, product.sums, exact.sums, &known->second,
                        product.workspace, product.workspace_bytes, stream);
}

} // namespace mayfly::gpu::cuda
