// Attention by mma over f16 K and V, for prefill and decode alike (after Dao, FlashAttention-2, 2023, and
// Flash- Decoding's splits). Sixteen query rows of one KV head form a tile: all query heads of that KV head,
// of one token in decode, of several in prefill. So a KV head with eight query heads reads its K and V once,
// not eight times. K, V and probabilities stay in registers; only the four warps' results meet in shared
// memory.
#include "gpu/kernels/cuda/attention.cuh"
#include "gpu/kernels/cuda/tiles.cuh"

namespace mayfly::gpu::cuda {
namespace {

constexpr unsigned tile_warps = 4;
constexpr unsigned tile_positions = 16; // of a warp's turn

/// The two query rows of a lane, g and g + 8, of the tile.
struct query_row {
  bool exists = false;
  std::uint32_t token = 0; ///< of the step
  std::uint32_t head = 0;
  std::uint32_t last = 0; ///< position it may still see
};

__device__ __forceinline__ query_row row_of(attention_arguments const& all, step_tile const& tile,
                                            step_sequence const& sequence, std::uint32_t index) {
  std::uint32_t const group = all.heads / all.kv.kv_heads;
  std::uint32_t const row = tile.first_row + index;
  query_row found;
  found.exists = row < sequence.token_count * group;
  if (!found.exists) return found;
  found.token = sequence.first_token + row / group;
  found.head = blockIdx.y * group + row % group;
  found.last = sequence.first_position + row / group;
  return found;
}

/// Queries as the first operand. Columns of a run of 32 (16 at the end of a head) are dealt out as keys are
/// read: lane t has eight (four) that lie together.
template <unsigned dim>
struct query_tile {
  std::uint32_t pairs[dim / 16][4];

  __device__ __forceinline__ void load(attention_arguments const& all, query_row const (&rows)[2],
                                       unsigned t) {
#pragma unroll
    for (unsigned step = 0; step < dim / 16; ++step) {
      bool const wide = step / 2 * 32 + 32 <= dim;
      unsigned const column = wide ? step / 2 * 32 + t * 8 + step % 2 * 4 : step * 16 + t * 4;
#pragma unroll
      for (unsigned side = 0; side < 2; ++side) {
        auto const& row = rows[side];
        float4 four{0, 0, 0, 0};
        if (row.exists)
          four = *reinterpret_cast<float4 const*>(
              all.q + (std::size_t{row.token} * all.heads + row.head) * dim + column);
        pairs[step][side] = half_pair(four.x, four.y);
        pairs[step][side + 2] = half_pair(four.z, four.w);
      }
    }
  }
};

/// scores[16 rows][8 positions] of keys that start at `first`; lane 4 * g + t reads the key of first + g.
template <unsigned dim>
__device__ __forceinline__ void score(query_tile<dim> const& queries, std::byte const* key, bool exists,
                                      unsigned t, float (&scores)[4]) {
#pragma unroll
  for (unsigned i = 0; i < 4; ++i) scores[i] = 0;
#pragma unroll
  for (unsigned run = 0; run < dim / 32; ++run) {
    uint4 keys{0, 0, 0, 0};
    if (exists) keys = load_16_bytes(key + (run * 32 + t * 8) * 2);
    auto const& even = queries.pairs[run * 2];
    auto const& odd = queries.pairs[run * 2 + 1];
    multiply_tiles<factor::f16>(scores, even[0], even[1], even[2], even[3], keys.x, keys.y);
    multiply_tiles<factor::f16>(scores, odd[0], odd[1], odd[2], odd[3], keys.z, keys.w);
  }
  if constexpr (dim % 32 != 0) {
    uint2 keys{0, 0};
    if (exists) keys = *reinterpret_cast<uint2 const*>(key + (dim / 32 * 32 + t * 4) * 2);
    auto const& last = queries.pairs[dim / 16 - 1];
    multiply_tiles<factor::f16>(scores, last[0], last[1], last[2], last[3], keys.x, keys.y);
  }
}

/// `width` f16 that lie together, for 2, 4 or 8.
template <unsigned width>
__device__ __forceinline__ void load_run(std::byte const* from, bool exists,
                                         std::uint32_t (&words)[width / 2]) {
#pragma unroll
  for (unsigned i = 0; i < width / 2; ++i) words[i] = 0;
  if (!exists) return;
  if constexpr (width == 8) {
    auto const all = load_16_bytes(from);
    words[0] = all.x;
    words[1] = all.y;
    words[2] = all.z;
    words[3] = all.w;
  } else if constexpr (width == 4) {
    auto const all = *reinterpret_cast<uint2 const*>(from);
    words[0] = all.x;
    words[1] = all.y;
  } else {
    words[0] = *reinterpret_cast<std::uint32_t const*>(from);
  }
}

/// sums[16 rows][8 * width dimensions from `base` on] += probabilities * values. Lane 4 * g + t reads `width`
/// dimensions of four positions; mma number i takes the i-th of each lane: its column g is dimension
/// base + g * width + i.
template <unsigned width>
__device__ __forceinline__ void add_values(std::uint32_t const (&weights)[4],
                                           std::byte const* const (&rows)[4], bool const (&exist)[4],
                                           unsigned base, float (*sums)[4]) {
  unsigned const g = threadIdx.x % warp_lanes / 4;
  std::uint32_t values[4][width / 2];
#pragma unroll
  for (unsigned i = 0; i < 4; ++i) load_run<width>(rows[i] + (base + g * width) * 2, exist[i], values[i]);
#pragma unroll
  for (unsigned i = 0; i < width / 2; ++i) {
    multiply_tiles<factor::f16>(sums[i * 2], weights[0], weights[1], weights[2], weights[3],
                                join_low_halves(values[0][i], values[1][i]),
                                join_low_halves(values[2][i], values[3][i]));
    multiply_tiles<factor::f16>(sums[i * 2 + 1], weights[0], weights[1], weights[2], weights[3],
                                join_high_halves(values[0][i], values[1][i]),
                                join_high_halves(values[2][i], values[3][i]));
  }
}

/// What a warp knows so far of its sixteen rows; a lane of rows g and g + 8.
template <unsigned dim>
struct running_rows {
  float largest[2] = {lowest_score, lowest_score};
  float weight[2] = {0, 0}; ///< this lane's positions only, until `finish`
  float sums[dim / 8][4] = {};

  /// Scores of two times eight positions to probabilities, as the first operand of the product with values.
  __device__ __forceinline__ void take(float (&scores)[2][4], std::uint32_t (&weights)[4]) {
#pragma unroll
    for (unsigned side = 0; side < 2; ++side) {
      float top = largest[side];
#pragma unroll
      for (unsigned i = 0; i < 4; ++i) {
        float const each = scores[i / 2][side * 2 + i % 2];
        top = each > top ? each : top;
      }
#pragma unroll
      for (unsigned across = 1; across < 4; across *= 2) {
        float const other = __shfl_xor_sync(all_lanes, top, across);
        top = other > top ? other : top;
      }
      float const shrink = exponential2(largest[side] - top);
      largest[side] = top;
      weight[side] *= shrink;
#pragma unroll
      for (unsigned i = 0; i < dim / 8; ++i) {
        sums[i][side * 2] *= shrink;
        sums[i][side * 2 + 1] *= shrink;
      }
#pragma unroll
      for (unsigned part = 0; part < 2; ++part) {
        float const low = scores[part][side * 2];
        float const high = scores[part][side * 2 + 1];
        float const one = low <= lowest_score ? 0.0F : exponential2(low - top);
        float const other = high <= lowest_score ? 0.0F : exponential2(high - top);
        weight[side] += one + other;
        weights[part * 2 + side] = half_pair(one, other);
      }
    }
  }

  __device__ __forceinline__ void finish() {
#pragma unroll
    for (unsigned side = 0; side < 2; ++side)
#pragma unroll
      for (unsigned across = 1; across < 4; across *= 2)
        weight[side] += __shfl_xor_sync(all_lanes, weight[side], across);
  }
};

/// One turn: sixteen positions from `first` on, those before `end`.
template <unsigned dim>
__device__ __forceinline__ void take_positions(attention_arguments const& all, std::uint32_t const* blocks,
                                               query_row const (&rows)[2], query_tile<dim> const& queries,
                                               std::uint32_t first, std::uint32_t end,
                                               running_rows<dim>& running) {
  unsigned const g = threadIdx.x % warp_lanes / 4;
  unsigned const t = threadIdx.x % 4;
  float scores[2][4];
#pragma unroll
  for (unsigned part = 0; part < 2; ++part) {
    std::uint32_t const position = first + part * 8 + g;
    bool const exists = position < end;
    auto const* const key = kv_vector(all.kv, blocks, kv_half::keys, blockIdx.y, exists ? position : first);
    score<dim>(queries, key, exists, t, scores[part]);
#pragma unroll
    for (unsigned i = 0; i < 4; ++i) {
      std::uint32_t const seen = first + part * 8 + t * 2 + i % 2;
      bool const visible = rows[i / 2].exists && seen < end && seen <= rows[i / 2].last;
      scores[part][i] = visible ? scores[part][i] * all.scale : lowest_score;
    }
  }
  std::uint32_t weights[4];
  running.take(scores, weights);
  std::byte const* values[4];
  bool exist[4];
#pragma unroll
  for (unsigned i = 0; i < 4; ++i) {
    std::uint32_t const position = first + i / 2 * 8 + t * 2 + i % 2;
    exist[i] = position < end;
    values[i] = kv_vector(all.kv, blocks, kv_half::values, blockIdx.y, exist[i] ? position : first);
  }
#pragma unroll
  for (unsigned run = 0; run < dim / 64; ++run)
    add_values<8>(weights, values, exist, run * 64, running.sums + run * 8);
  constexpr unsigned after_wide = dim / 64 * 64;
  if constexpr (dim % 64 >= 32)
    add_values<4>(weights, values, exist, after_wide, running.sums + after_wide / 8);
  constexpr unsigned after_half = dim / 32 * 32;
  if constexpr (dim % 32 != 0)
    add_values<2>(weights, values, exist, after_half, running.sums + after_half / 8);
}

/// The dimension that sums[tile][i] of lane t stand for: see add_values.
template <unsigned dim>
__device__ __forceinline__ unsigned dimension_of(unsigned tile, unsigned t, unsigned i) {
  constexpr unsigned after_wide = dim / 64 * 64;
  constexpr unsigned after_half = dim / 32 * 32;
  unsigned const start = tile * 8;
  unsigned const base = start < after_wide ? start / 64 * 64 : start < after_half ? after_wide : after_half;
  unsigned const width = start < after_wide ? 8 : start < after_half ? 4 : 2;
  return base + (t * 2 + i % 2) * width + (start - base) / 8;
}

/// Shared memory: for each warp sums [16][dim], then weights [16], then largest scores [16].
template <unsigned dim>
inline constexpr unsigned warp_floats = tile_rows * (dim + 2);

template <unsigned dim>
__device__ __forceinline__ void leave_in_shared(running_rows<dim> const& running, float* shared) {
  unsigned const lane = threadIdx.x % warp_lanes;
  auto* const mine = shared + threadIdx.x / warp_lanes * warp_floats<dim>;
#pragma unroll
  for (unsigned tile = 0; tile < dim / 8; ++tile)
#pragma unroll
    for (unsigned i = 0; i < 4; ++i)
      mine[(lane / 4 + i / 2 * 8) * dim + dimension_of<dim>(tile, lane % 4, i)] = running.sums[tile][i];
  if (lane % 4 != 0) return;
#pragma unroll
  for (unsigned side = 0; side < 2; ++side) {
    mine[tile_rows * dim + lane / 4 + side * 8] = running.weight[side];
    mine[tile_rows * (dim + 1) + lane / 4 + side * 8] = running.largest[side];
  }
}

/// Brings the warps' results together: each thread some dimensions of one row after another.
template <unsigned dim>
__device__ __forceinline__ void join_warps(attention_arguments const& all, step_tile const& tile,
                                           step_sequence const& sequence, float const* shared) {
  for (unsigned unit = threadIdx.x; unit < tile_rows * dim; unit += blockDim.x) {
    unsigned const index = unit / dim;
    unsigned const column = unit % dim;
    auto const row = row_of(all, tile, sequence, index);
    if (!row.exists) continue;
    float top = lowest_score;
    for (unsigned warp = 0; warp < tile_warps; ++warp) {
      float const each = shared[warp * warp_floats<dim> + tile_rows * (dim + 1) + index];
      top = each > top ? each : top;
    }
    float sum = 0;
    float weight = 0;
    for (unsigned warp = 0; warp < tile_warps; ++warp) {
      auto const* const theirs = shared + warp * warp_floats<dim>;
      float const factor = exponential2(theirs[tile_rows * (dim + 1) + index] - top);
      sum += factor * theirs[index * dim + column];
      weight += factor * theirs[tile_rows * dim + index];
    }
    if (all.splits == 1) {
      all.out[(std::size_t{row.token} * all.heads + row.head) * dim + column] = sum / weight;
      continue;
    }
    auto* const partial = partial_of(all, blockIdx.z, row.token, row.head);
    partial[column] = sum;
    if (column == 0) {
      partial[dim] = weight;
      partial[dim + 1] = top;
    }
  }
}

template <unsigned dim>
__global__ void __launch_bounds__(128) attend_tile(attention_arguments all) {
  auto const tile = all.step.tiles[blockIdx.x];
  auto const sequence = all.step.sequences[tile.sequence];
  auto const* const blocks = all.step.blocks + sequence.first_block;
  unsigned const lane = threadIdx.x % warp_lanes;
  std::uint32_t const group = all.heads / all.kv.kv_heads;
  std::uint32_t const rows_in_all = sequence.token_count * group;
  std::uint32_t const last_row =
      (tile.first_row + tile_rows < rows_in_all ? tile.first_row + tile_rows : rows_in_all) - 1;
  // Positions beyond the tile's last token are nobody's here.
  std::uint32_t const length = sequence.first_position + last_row / group + 1;
  auto const range = part_of(length, blockIdx.z, all.splits);
  query_row const rows[2] = {row_of(all, tile, sequence, lane / 4),
                             row_of(all, tile, sequence, lane / 4 + 8)};
  query_tile<dim> queries;
  queries.load(all, rows, lane % 4);
  running_rows<dim> running;
  for (std::uint32_t first = range.begin + threadIdx.x / warp_lanes * tile_positions; first < range.end;
       first += tile_warps * tile_positions)
    take_positions<dim>(all, blocks, rows, queries, first, range.end, running);
  running.finish();
  auto* const shared = shared_memory<float>();
  leave_in_shared<dim>(running, shared);
  __syncthreads();
  join_warps<dim>(all, tile, sequence, shared);
}

template <unsigned dim>
void start(device_queue& on, attention_arguments const& all) {
  launch_size size;
  size.x = all.step.tile_count;
  size.y = all.kv.kv_heads;
  size.z = all.splits;
  size.threads = tile_warps * warp_lanes;
  size.shared_bytes = tile_warps * warp_floats<dim> * sizeof(float);
  launch(on, &attend_tile<dim>, size, all);
}

} // namespace

void start_tiles(device_queue& on, attention_arguments const& all) {
  switch (all.kv.head_dim) {
  case 64:
    return start<64>(on, all);
  case 80:
    return start<80>(on, all);
  case 96:
    return start<96>(on, all);
  case 112:
    return start<112>(on, all);
  default:
    return start<128>(on, all);
  }
}

} // namespace mayfly::gpu::cuda
