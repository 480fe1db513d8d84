#pragma once
// Large products by cuBLASLt: one algorithm for each shape and bucket of tokens, asked for once.
#include "gpu/kernels/cuda/queue.hpp"

#include <compare>
#include <cublasLt.h>
#include <map>

namespace mayfly::gpu::cuda {

class library_products {
public:
  library_products() noexcept { cublasLtCreate(&handle_); }
  ~library_products() {
    if (handle_ != nullptr) cublasLtDestroy(handle_);
  }
  library_products(library_products const&) = delete;
  library_products& operator=(library_products const&) = delete;

  /// Enqueues the product on `stream`; cuBLAS's status.
  int run(dense_product const& product, cudaStream_t stream);

private:
  struct shape {
    number_format format;
    std::size_t rows;
    std::size_t columns;
    std::size_t tokens; ///< of the bucket
    std::size_t weight_stride;
    std::size_t sums_stride;
    std::uint32_t
        weight_alignment; ///< of the addresses, in bytes: algorithms load more at once where they can
    std::uint32_t x_alignment;
    std::uint32_t sums_alignment;
    friend auto operator<=>(shape const&, shape const&) = default;
  };

  static shape shape_of(dense_product const& product);
  cublasStatus_t choose(dense_product const& product, shape const& key, std::size_t tokens,
                        cublasLtMatmulAlgo_t& chosen);

  cublasLtHandle_t handle_ = nullptr;
  std::map<shape, cublasLtMatmulAlgo_t> algorithms_;
};

} // namespace mayfly::gpu::cuda
