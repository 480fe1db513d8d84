// Rotary embedding and the KV cache's growth in one pass: a block rotates one token's queries in place, its
// keys on their way into the cache, and stores its values.
#include "gpu/kernels/cuda/kernels.hpp"
#include "gpu/kernels/cuda/kv_cache.cuh"

namespace mayfly::gpu::cuda {
namespace {

/// Cosine and sine of an angle that may be thousands of turns: brought to [-pi/4, pi/4] in double precision,
/// which needs no table and no local memory, then the polynomials of Cephes (Moshier, sinf.c), good to 2^-23.
struct turn {
  float cosine;
  float sine;
};
__device__ __forceinline__ turn turn_of(float angle) {
  double const exact = angle;
  double const quarters = rint(exact * 0.63661977236758134308);
  auto const r = static_cast<float>(exact - quarters * 1.57079632679489661923);
  float const square = r * r;
  float const sine =
      r + r * square * (-1.6666654611e-1F + square * (8.3321608736e-3F + square * -1.9515295891e-4F));
  float const cosine =
      1.0F - 0.5F * square +
      square * square *
          (4.166664568298827e-2F + square * (-1.388731625493765e-3F + square * 2.443315711809948e-5F));
  auto const quadrant = static_cast<long long>(quarters) & 3;
  float const c = (quadrant & 1) != 0 ? sine : cosine;
  float const s = (quadrant & 1) != 0 ? cosine : sine;
  return {quadrant == 1 || quadrant == 2 ? -c : c, quadrant >= 2 ? -s : s};
}

__device__ __forceinline__ void store(std::byte* vector, kv_precision precision, std::uint32_t index,
                                      float value) {
  if (precision == kv_precision::f32)
    reinterpret_cast<float*>(vector)[index] = value;
  else
    reinterpret_cast<std::uint16_t*>(vector)[index] = static_cast<std::uint16_t>(half_bits(value));
}

/// Two elements of a head that turn together, and how far: pair `index` of head_dim / 2. Those beyond the
/// rotated dimensions stay as they are. An odd last dimension is its own pair.
struct pair_place {
  std::uint32_t first;
  std::uint32_t second;
  turn by;
};
__device__ __forceinline__ pair_place place_of(std::uint32_t index, std::uint32_t position,
                                               rotation const& rope) {
  std::uint32_t const pairs = rope.dims / 2;
  if (index >= pairs) return {index * 2, index * 2 + 1, {1, 0}};
  auto const by = turn_of(static_cast<float>(position) * rope.frequencies[index]);
  return rope.interleaved ? pair_place{index * 2, index * 2 + 1, by} : pair_place{index, index + pairs, by};
}

/// The arrays of a step's queries, keys and values.
struct rotated_arrays {
  float* q;
  float const* k;
  float const* v;
  std::uint32_t heads;
};

__global__ void rotate_tokens(rotated_arrays arrays, step_view step, rotation rope, kv_view kv) {
  std::uint32_t const token = blockIdx.x;
  if (step.sequence_of[token] == no_sequence) return;
  auto const sequence = step.sequences[step.sequence_of[token]];
  auto const* const blocks = step.blocks + sequence.first_block;
  std::uint32_t const position = sequence.first_position + token - sequence.first_token;
  std::uint32_t const dim = kv.head_dim;
  std::uint32_t const pairs = (dim + 1) / 2;
  auto* const q = arrays.q + std::size_t{token} * arrays.heads * dim;
  for (std::uint32_t unit = threadIdx.x; unit < arrays.heads * pairs; unit += blockDim.x) {
    auto const at = place_of(unit % pairs, position, rope);
    if (at.second >= dim) continue;
    auto* const head = q + unit / pairs * dim;
    float const one = head[at.first];
    float const other = head[at.second];
    head[at.first] = one * at.by.cosine - other * at.by.sine;
    head[at.second] = one * at.by.sine + other * at.by.cosine;
  }
  auto const* const k = arrays.k + std::size_t{token} * kv.kv_heads * dim;
  auto const* const v = arrays.v + std::size_t{token} * kv.kv_heads * dim;
  for (std::uint32_t unit = threadIdx.x; unit < kv.kv_heads * pairs; unit += blockDim.x) {
    std::uint32_t const head = unit / pairs;
    auto const at = place_of(unit % pairs, position, rope);
    auto* const keys = kv_vector(kv, blocks, kv_half::keys, head, position);
    auto* const values = kv_vector(kv, blocks, kv_half::values, head, position);
    float const one = k[head * dim + at.first];
    float const other = at.second < dim ? k[head * dim + at.second] : 0.0F;
    store(keys, kv.precision, at.first, one * at.by.cosine - other * at.by.sine);
    store(values, kv.precision, at.first, v[head * dim + at.first]);
    if (at.second >= dim) continue;
    store(keys, kv.precision, at.second, one * at.by.sine + other * at.by.cosine);
    store(values, kv.precision, at.second, v[head * dim + at.second]);
  }
}

} // namespace

void rotate_and_store(device_queue& on, float* q, float const* k, float const* v, step_view const& step,
                      attention_shape const& shape, rotation const& rope, kv_view const& kv) {
  launch_size size;
  size.x = step.token_count;
  size.threads = 128;
  launch(on, &rotate_tokens, size, rotated_arrays{q, k, v, shape.heads}, step, rope, kv);
}

} // namespace mayfly::gpu::cuda
