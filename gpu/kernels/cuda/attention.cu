// Attention for what the mma kernel does not take (f32 caches, odd head widths), the merging of splits, and
// the choice between the two kernels.
#include "gpu/kernels/cuda/attention.cuh"

namespace mayfly::gpu::cuda {
namespace {

constexpr unsigned plain_warps = 4;
constexpr unsigned lane_dims = 8; // of a lane: head_dim is at most 256

__device__ __forceinline__ float kv_value(std::byte const* vector, kv_precision precision,
                                          std::uint32_t index) {
  return precision == kv_precision::f32 ? reinterpret_cast<float const*>(vector)[index]
                                        : half_value(reinterpret_cast<std::uint16_t const*>(vector)[index]);
}

/// A warp takes one query head of one token: each lane scores a position of 32, then all of them add up
/// values, a lane its own dimensions. Shared memory: for each warp the probabilities of its 32 positions.
__global__ void __launch_bounds__(128) attend_plainly(attention_arguments all) {
  unsigned const lane = threadIdx.x % warp_lanes;
  std::uint32_t const head = blockIdx.y * plain_warps + threadIdx.x / warp_lanes;
  std::uint32_t const token = blockIdx.x;
  if (head >= all.heads || all.step.sequence_of[token] == no_sequence) return; // a whole warp
  std::uint32_t const dim = all.kv.head_dim;
  auto const sequence = all.step.sequences[all.step.sequence_of[token]];
  auto const* const blocks = all.step.blocks + sequence.first_block;
  std::uint32_t const length = sequence.first_position + token - sequence.first_token + 1;
  auto const range = part_of(length, blockIdx.z, all.splits);
  std::uint32_t const kv_head = head / (all.heads / all.kv.kv_heads);
  auto const* const q = all.q + (std::size_t{token} * all.heads + head) * dim;
  auto* const shares = shared_memory<float>() + threadIdx.x / warp_lanes * warp_lanes;
  float largest = lowest_score;
  float weight = 0;
  float sums[lane_dims] = {};
  for (std::uint32_t first = range.begin; first < range.end; first += warp_lanes) {
    std::uint32_t const position = first + lane;
    float score = lowest_score;
    if (position < range.end) {
      auto const* const key = kv_vector(all.kv, blocks, kv_half::keys, kv_head, position);
      float product = 0;
      for (std::uint32_t i = 0; i < dim; ++i) product += q[i] * kv_value(key, all.kv.precision, i);
      score = product * all.scale;
    }
    float const found = warp_largest(score);
    float const top = found > largest ? found : largest;
    float const shrink = exponential2(largest - top);
    float const share = position < range.end ? exponential2(score - top) : 0.0F;
    largest = top;
    weight = weight * shrink + warp_sum(share);
    __syncwarp(); // all have read the turn before
    shares[lane] = share;
    __syncwarp();
#pragma unroll
    for (unsigned i = 0; i < lane_dims; ++i) sums[i] *= shrink;
    for (std::uint32_t each = 0; each < warp_lanes && first + each < range.end; ++each) {
      auto const* const value = kv_vector(all.kv, blocks, kv_half::values, kv_head, first + each);
#pragma unroll
      for (unsigned i = 0; i < lane_dims; ++i)
        if (i * warp_lanes + lane < dim)
          sums[i] += shares[each] * kv_value(value, all.kv.precision, i * warp_lanes + lane);
    }
  }
  bool const whole = all.splits == 1;
  auto* const to = whole ? all.out + (std::size_t{token} * all.heads + head) * dim
                         : partial_of(all, blockIdx.z, token, head);
  float const scale = whole ? 1.0F / weight : 1.0F;
#pragma unroll
  for (unsigned i = 0; i < lane_dims; ++i)
    if (i * warp_lanes + lane < dim) to[i * warp_lanes + lane] = sums[i] * scale;
  if (whole || lane != 0) return;
  to[dim] = weight;
  to[dim + 1] = largest;
}

/// A block a token and head: the splits' results, weighed by their largest scores, in their order.
__global__ void merge_splits(attention_arguments all) {
  std::uint32_t const token = blockIdx.x;
  std::uint32_t const head = blockIdx.y;
  if (all.step.sequence_of[token] == no_sequence) return;
  std::uint32_t const dim = all.kv.head_dim;
  float top = lowest_score;
  for (std::uint32_t split = 0; split < all.splits; ++split) {
    float const each = partial_of(all, split, token, head)[dim + 1];
    top = each > top ? each : top;
  }
  float weight = 0;
  for (std::uint32_t split = 0; split < all.splits; ++split) {
    auto const* const partial = partial_of(all, split, token, head);
    weight += exponential2(partial[dim + 1] - top) * partial[dim];
  }
  for (std::uint32_t i = threadIdx.x; i < dim; i += blockDim.x) {
    float sum = 0;
    for (std::uint32_t split = 0; split < all.splits; ++split) {
      auto const* const partial = partial_of(all, split, token, head);
      sum += exponential2(partial[dim + 1] - top) * partial[i];
    }
    all.out[(std::size_t{token} * all.heads + head) * dim + i] = sum / weight;
  }
}

} // namespace

void start_plain(device_queue& on, attention_arguments const& all) {
  launch_size size;
  size.x = all.step.token_count;
  size.y = (all.heads + plain_warps - 1) / plain_warps;
  size.z = all.splits;
  size.threads = plain_warps * warp_lanes;
  size.shared_bytes = size.threads * sizeof(float);
  launch(on, &attend_plainly, size, all);
}

bool attends_by_tiles(attention_shape const& shape, kv_precision precision) noexcept {
  auto const dim = shape.head_dim;
  return precision == kv_precision::f16 && dim % 16 == 0 && dim >= 64 && dim <= 128;
}

std::size_t partial_floats(step_view const& step, attention_shape const& shape, std::uint32_t splits) {
  return splits <= 1 ? 0 : std::size_t{splits} * step.token_count * shape.heads * (shape.head_dim + 2);
}

void attend(device_queue& on, float const* q, step_view const& step, attention_shape const& shape,
            kv_view const& kv, std::uint32_t splits, float* partials, float* out) {
  attention_arguments all;
  all.q = q;
  all.out = out;
  all.partials = partials;
  all.step = step;
  all.kv = kv;
  all.heads = shape.heads;
  all.splits = splits;
  all.scale = shape.scale * 1.4426950408889634F;
  if (attends_by_tiles(shape, kv.precision))
    start_tiles(on, all);
  else
    start_plain(on, all);
  if (splits <= 1) return;
  launch_size size;
  size.x = step.token_count;
  size.y = shape.heads;
  size.threads = 64;
  launch(on, &merge_splits, size, all);
}

} // namespace mayfly::gpu::cuda
