#include "gpu/formats/dequantise.hpp"
#include "gpu/kernels/cpu/cpu_backend.hpp"
#include "gpu/kernels/cpu/paged_kv.hpp"
#include "gpu/kernels/weight_range.hpp"

#include <cassert>
#include <cstring>

namespace mayfly::gpu::cpu {
namespace {

// Work below this many bytes is done before another thread has noticed that there is any.
constexpr std::size_t worth_sharing_bytes = 64 * 1024;

std::vector<float> read_only_row(tensor_view const& tensor, range rows, range columns) {
  if (rows.size() != 1) return {};
  std::vector<float> whole(tensor.columns);
  if (!dequantise_row(tensor, rows.begin, whole)) return {};
  auto const begin = whole.begin() + static_cast<std::ptrdiff_t>(columns.begin);
  return {begin, begin + static_cast<std::ptrdiff_t>(columns.size())};
}

} // namespace

cpu_backend::cpu_backend(kernel_table const& kernels, unsigned threads) : kernels_(kernels), pool_(threads) {}

cpu_backend::~cpu_backend() = default;

result<std::unique_ptr<packed_weight>> cpu_backend::prepare(tensor_view const& tensor, range rows,
                                                            range columns) {
  if (auto done = check_weight_range(tensor, rows, columns); !done) return done.failure();
  auto const view = plan_packing(packing_for(tensor.type), rows.size(), columns.size());
  auto memory = weights_.allocate(view.groups() * view.group_bytes);
  if (memory == nullptr)
    return error{errc::out_of_memory, "packed weight (rows)", static_cast<std::int64_t>(view.rows)};
  auto* const start = memory.get();
  pool_.run(view.groups(), 4, [&](std::size_t, std::size_t begin, std::size_t end) {
    for (auto index = begin; index < end; ++index) {
      pack_group(tensor, rows, columns, view, index, start + index * view.group_bytes);
    }
  });
  return std::unique_ptr<packed_weight>(
      std::make_unique<packed_matrix>(view, std::move(memory), read_only_row(tensor, rows, columns)));
}

result<std::unique_ptr<kv_memory>> cpu_backend::create_kv_memory(kv_shape const& shape) {
  auto const bytes = std::size_t{shape.blocks} * shape.block_bytes();
  if (bytes == 0) return error{errc::invalid_request, "KV cache without room", 0};
  content_memory memory;
  if (memory.reserve(bytes) == nullptr) {
    return error{errc::out_of_memory, "KV cache (bytes)", static_cast<std::int64_t>(bytes)};
  }
  return std::unique_ptr<kv_memory>(std::make_unique<paged_kv>(shape, std::move(memory)));
}

float* cpu_backend::allocate(std::size_t count) {
  try {
    return static_cast<float*>(locked_memory().allocate(count * sizeof(float), 64));
  } catch (std::bad_alloc const&) {
    return nullptr;
  }
}

void cpu_backend::release(float* memory, std::size_t count) noexcept {
  if (memory != nullptr) locked_memory().deallocate(memory, count * sizeof(float), 64);
}

void cpu_backend::upload(std::span<float const> from, float* to) {
  if (!from.empty()) std::memcpy(to, from.data(), from.size_bytes());
}

void cpu_backend::download(float const* from, std::span<float> to) {
  if (!to.empty()) std::memcpy(to.data(), from, to.size_bytes());
}

void cpu_backend::embed(packed_weight const& table, token_id first, std::span<token_id const> tokens,
                        float* out) {
  auto const& view = of(table).view();
  auto const share = worth_sharing_bytes / 16 / (view.columns * sizeof(float)) + 1; // unpacking is slow
  pool_.run(tokens.size(), share, [&](std::size_t, std::size_t begin, std::size_t end) {
    for (auto i = begin; i < end; ++i) {
      auto const row = std::int64_t{tokens[i]} - first;
      if (row < 0 || static_cast<std::size_t>(row) >= view.rows)
        std::memset(out + i * view.columns, 0, view.columns * sizeof(float));
      else
        unpack_row(view, static_cast<std::size_t>(row), out + i * view.columns);
    }
  });
}

void cpu_backend::rms_norm(float const* x, std::size_t tokens, packed_weight const& weight, float epsilon,
                           float* out) {
  auto const& row = of(weight).only_row();
  auto const width = row.size();
  assert(width == weight.columns());
  pool_.run(tokens, worth_sharing_bytes / (width * sizeof(float)) + 1,
            [&](std::size_t, std::size_t begin, std::size_t end) {
              for (auto i = begin; i < end; ++i) {
                kernels_.rms_norm(x + i * width, row.data(), width, epsilon, out + i * width);
              }
            });
}

void cpu_backend::gather(float const* x, std::size_t width, std::span<std::uint32_t const> rows, float* out) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::memcpy(out + i * width, x + rows[i] * width, width * sizeof(float));
  }
}

void cpu_backend::wipe_blocks(kv_memory& kv, std::span<std::uint32_t const> blocks) {
  auto const& cache = of(kv);
  auto const bytes = cache.shape().block_bytes();
  pool_.run(blocks.size(), worth_sharing_bytes / bytes + 1,
            [&](std::size_t, std::size_t begin, std::size_t end) {
              for (auto i = begin; i < end; ++i) mayfly::wipe(cache.block(blocks[i]), bytes);
            });
}

void cpu_backend::wipe(float* memory, std::size_t count) { mayfly::wipe(memory, count * sizeof(float)); }

void cpu_backend::scrub() {
  tiles_.scrub();
  threads_.scrub();
  partials_.scrub();
  pool_.run_on_each([](std::size_t) { wipe_stack(); });
}

std::vector<std::span<std::byte const>> cpu_backend::scratch_areas() const {
  std::vector<std::span<std::byte const>> areas;
  for (auto const* const memory : {&tiles_, &threads_, &partials_}) {
    areas.emplace_back(memory->data(), memory->size_bytes());
  }
  return areas;
}

result<void> cpu_backend::synchronize() {
  auto const failure = std::exchange(failure_, error{errc::ok, "", 0});
  if (failure.code != errc::ok) return failure;
  return {};
}

std::byte* cpu_backend::participant_scratch(std::size_t bytes_each) {
  auto* const scratch = threads_.reserve(pool_.size() * bytes_each);
  if (scratch == nullptr) fail("no memory for the scratch of threads");
  return scratch;
}

void cpu_backend::fail(literal what) noexcept { failure_ = {errc::backend_failed, what, 0}; }

} // namespace mayfly::gpu::cpu
