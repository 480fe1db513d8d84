#include "gpu/kernels/cuda/cuda_backend.hpp"

#include "gpu/formats/dequantise.hpp"
#include "gpu/kernels/weight_range.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <new>
#include <utility>

namespace mayfly::gpu::cuda {
namespace {

constexpr std::size_t worth_sharing_weights = std::size_t{1} << 20U; // less is packed on the calling thread
constexpr std::uint32_t widest_head = 256;

/// The whole piece of memory of a weight: its planes, then, of a single row, its floats.
struct host_weight {
  packed_layout layout;
  std::vector<std::byte> bytes;
  std::size_t row_at = 0; ///< 0: no single row
};

void append_only_row(tensor_view const& tensor, range rows, range columns, host_weight& weight) {
  std::vector<float> whole(tensor.columns);
  if (!dequantise_row(tensor, rows.begin, whole)) return; // the range was checked
  weight.row_at = weight.bytes.size();
  auto const* const first = whole.data() + columns.begin;
  weight.bytes.resize(weight.row_at + columns.size() * sizeof(float));
  std::memcpy(weight.bytes.data() + weight.row_at, first, columns.size() * sizeof(float));
}

} // namespace

kv_view device_kv::view(std::uint32_t layer) const noexcept {
  auto const layer_bytes = shape_.block_bytes() / shape_.layers;
  return {data_ + layer * layer_bytes,
          shape_.block_bytes(),
          shape_.block_tokens,
          shape_.kv_heads,
          shape_.head_dim,
          shape_.precision};
}

cuda_backend::cuda_backend(std::unique_ptr<device_queue> queue, cuda_options const& options)
    : queue_(std::move(queue)), options_(options), arena_(*queue_, options.region_bytes), staging_(*queue_),
      tables_(arena_), narrow_(arena_), expanded_(arena_), gates_(arena_), library_(arena_),
      partials_(arena_), draws_(arena_) {}

cuda_backend::~cuda_backend() {
  recordings_.forget();
  static_cast<void>(queue_->wait()); // whatever failed, memory goes back
  for (auto const& each : rotations_) queue_->free(each.memory, memory_place::device);
}

std::byte* cuda_backend::upload_weight(std::span<std::byte const> host) {
  auto* const memory = queue_->allocate(host.size(), memory_place::device);
  if (memory == nullptr || staging_.send(host.data(), host.size(), memory)) return memory;
  queue_->free(memory, memory_place::device);
  return nullptr;
}

result<std::unique_ptr<packed_weight>> cuda_backend::prepare(tensor_view const& tensor, range rows,
                                                             range columns) try {
  recordings_.forget();
  if (auto const fits = check_weight_range(tensor, rows, columns); !fits) return fits.failure();
  host_weight weight;
  weight.layout = plan_layout(storage_for(tensor.type), rows.size(), columns.size());
  weight.bytes.resize(weight.layout.bytes);
  auto pack = [&](std::size_t, std::size_t begin, std::size_t end) {
    for (auto row = begin; row < end; ++row)
      pack_row(tensor, rows, columns, weight.layout, row, weight.bytes.data());
  };
  if (rows.size() * columns.size() <= worth_sharing_weights) {
    pack(0, 0, rows.size());
  } else {
    if (pool_ == nullptr) pool_ = std::make_unique<cpu::thread_pool>(options_.pack_threads);
    pool_->run(rows.size(), 16, pack);
  }
  if (rows.size() == 1) append_only_row(tensor, rows, columns, weight);
  auto* const memory = upload_weight(weight.bytes);
  if (memory == nullptr)
    return error{errc::out_of_memory, "packed weight (rows)", static_cast<std::int64_t>(rows.size())};
  auto const* const row =
      weight.row_at == 0 ? nullptr : reinterpret_cast<float const*>(memory + weight.row_at);
  return std::unique_ptr<packed_weight>(
      std::make_unique<device_matrix>(*queue_, memory, weight.layout.at(memory), row, weight.bytes.size()));
} catch (std::bad_alloc const&) {
  return error{errc::out_of_memory, "packing a weight (rows)", static_cast<std::int64_t>(rows.size())};
}

result<std::unique_ptr<kv_memory>> cuda_backend::create_kv_memory(kv_shape const& shape) {
  recordings_.forget();
  auto const bytes = std::size_t{shape.blocks} * shape.block_bytes();
  if (bytes == 0) return error{errc::invalid_request, "KV cache without room", 0};
  if (shape.head_dim > widest_head)
    return error{errc::unsupported, "heads wider than attention takes (dimensions)", shape.head_dim};
  auto* const memory = arena_.allocate(bytes);
  if (memory == nullptr)
    return error{errc::out_of_memory, "KV cache (bytes)", static_cast<std::int64_t>(bytes)};
  return std::unique_ptr<kv_memory>(std::make_unique<device_kv>(arena_, memory, shape));
}

float* cuda_backend::allocate(std::size_t count) {
  return reinterpret_cast<float*>(arena_.allocate(count * sizeof(float)));
}

void cuda_backend::release(float* memory, std::size_t) noexcept {
  recordings_.forget();
  arena_.release(reinterpret_cast<std::byte*>(memory));
}

void cuda_backend::upload(std::span<float const> from, float* to) {
  if (!staging_.send(from.data(), from.size_bytes(), to)) fail("no pinned memory to stage an upload");
}

void cuda_backend::download(float const* from, std::span<float> to) {
  if (staging_.fetch(from, to.size_bytes(), to.data())) return;
  if (queue_->wait()) fail("no pinned memory to stage a download");
}

void cuda_backend::rms_norm(float const* x, std::size_t tokens, packed_weight const& weight, float epsilon,
                            float* out) {
  auto const& row = of(weight);
  assert(row.only_row() != nullptr);
  cuda::rms_norm(*queue_, x, static_cast<std::uint32_t>(tokens), row.view().columns, row.only_row(), epsilon,
                 out);
}

void cuda_backend::wipe_blocks(kv_memory& kv, std::span<std::uint32_t const> blocks) {
  auto const& cache = of(kv);
  for (std::size_t i = 0; i < blocks.size();) {
    std::size_t run = 1; // neighbours are wiped together
    while (i + run < blocks.size() && blocks[i + run] == blocks[i] + run) ++run;
    queue_->clear(cache.block(blocks[i]), run * cache.shape().block_bytes());
    i += run;
  }
}

void cuda_backend::wipe(float* memory, std::size_t count) { queue_->clear(memory, count * sizeof(float)); }

void cuda_backend::scrub() {
  for (auto* const each : {&tables_, &narrow_, &expanded_, &gates_, &library_, &partials_, &draws_})
    each->scrub(*queue_);
  static_cast<void>(queue_->wait()); // a failure stays with the queue
  staging_.settled();
  staging_.scrub();
  wipe_stack();
}

std::vector<std::span<std::byte const>> cuda_backend::content_memory() const {
  auto all = arena_.areas();
  all.push_back(staging_.area());
  return all;
}

result<void> cuda_backend::synchronize() {
  auto const waited = queue_->wait();
  staging_.settled();
  auto const failure = std::exchange(failure_, error{errc::ok, "", 0});
  if (!waited) return waited;
  if (failure.code != errc::ok) return failure;
  return {};
}

} // namespace mayfly::gpu::cuda
