// What a step brings to the device, and what runs over it: tables of tokens, positions and KV blocks,
// recordings of decode steps, embedding, attention, gathering, drawing.
#include "gpu/kernels/cuda/cuda_backend.hpp"
#include "gpu/kernels/rope_frequencies.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>

namespace mayfly::gpu::cuda {
namespace {

constexpr std::size_t most_recorded_tokens = 32; // beyond, starting kernels is a small part of a step
constexpr std::uint32_t most_splits = 32;
constexpr std::uint32_t least_split_positions = 128;
constexpr std::size_t alignment = 16;

/// Sections of one piece of memory, one after another.
class section_layout {
public:
  template <class T>
  std::size_t add(std::size_t count) {
    auto const at = bytes_;
    bytes_ = (bytes_ + count * sizeof(T) + alignment - 1) / alignment * alignment;
    return at;
  }
  std::size_t bytes() const noexcept { return bytes_; }

private:
  std::size_t bytes_ = 0;
};

std::uint32_t group_of(attention_shape const& shape) {
  return shape.kv_heads == 0 ? 1 : std::max(1U, shape.heads / shape.kv_heads);
}

std::uint32_t tiles_of(sequence_span const& span, std::uint32_t group) {
  return (span.token_count * group + tile_rows - 1) / tile_rows;
}

/// Where everything of a step stands. The number of KV blocks may differ between steps of one recording: they
/// come last, and everything before stands where it stood.
struct table_layout {
  table_layout(step_inputs const& inputs, std::uint32_t group) {
    for (auto const& span : inputs.sequences) {
      tile_count += tiles_of(span, group);
      block_count += span.blocks.size();
    }
    section_layout sections;
    tokens_at = sections.add<token_id>(inputs.tokens.size());
    std::size_t covered = 0;
    for (auto const& span : inputs.sequences)
      covered = std::max<std::size_t>(covered, std::size_t{span.first_token} + span.token_count);
    token_count = std::max(covered, inputs.tokens.size());
    sequence_of_at = sections.add<std::uint32_t>(token_count);
    sequences_at = sections.add<step_sequence>(inputs.sequences.size());
    tiles_at = sections.add<step_tile>(tile_count);
    sampled_at = sections.add<std::uint32_t>(inputs.sampled.size());
    blocks_at = sections.add<std::uint32_t>(block_count);
    bytes = sections.bytes();
  }

  std::size_t token_count = 0;
  std::size_t tile_count = 0;
  std::size_t block_count = 0;
  std::size_t tokens_at = 0;
  std::size_t sequence_of_at = 0;
  std::size_t sequences_at = 0;
  std::size_t tiles_at = 0;
  std::size_t sampled_at = 0;
  std::size_t blocks_at = 0;
  std::size_t bytes = 0;
};

template <class T>
void put(std::byte* table, std::size_t at, std::size_t index, T const& value) {
  std::memcpy(table + at + index * sizeof(T), &value, sizeof value);
}

void write_sequence(table_layout const& layout, sequence_span const& span, std::uint32_t index,
                    std::uint32_t block, std::byte* table) {
  put(table, layout.sequences_at, index,
      step_sequence{span.first_token, span.token_count, span.first_position, block});
  for (std::uint32_t i = 0; i < span.token_count; ++i)
    put(table, layout.sequence_of_at, span.first_token + i, index);
  if (!span.blocks.empty())
    std::memcpy(table + layout.blocks_at + block * sizeof block, span.blocks.data(),
                span.blocks.size_bytes());
}

void write_tables(table_layout const& layout, step_inputs const& inputs, std::uint32_t group,
                  std::byte* table) {
  std::memset(table, 0, layout.bytes);
  std::memset(table + layout.sequence_of_at, 0xFF, layout.token_count * sizeof(std::uint32_t)); // no_sequence
  if (!inputs.tokens.empty())
    std::memcpy(table + layout.tokens_at, inputs.tokens.data(), inputs.tokens.size_bytes());
  if (!inputs.sampled.empty())
    std::memcpy(table + layout.sampled_at, inputs.sampled.data(), inputs.sampled.size_bytes());
  std::uint32_t block = 0;
  std::size_t tile = 0;
  for (std::uint32_t index = 0; index < inputs.sequences.size(); ++index) {
    auto const& span = inputs.sequences[index];
    write_sequence(layout, span, index, block, table);
    for (std::uint32_t i = 0; i < tiles_of(span, group); ++i)
      put(table, layout.tiles_at, tile++, step_tile{index, i * tile_rows});
    block += static_cast<std::uint32_t>(span.blocks.size());
  }
}

step_view view_of(table_layout const& layout, step_inputs const& inputs, std::byte const* at) {
  step_view view;
  view.tokens = reinterpret_cast<token_id const*>(at + layout.tokens_at);
  view.sequence_of = reinterpret_cast<std::uint32_t const*>(at + layout.sequence_of_at);
  view.sequences = reinterpret_cast<step_sequence const*>(at + layout.sequences_at);
  view.blocks = reinterpret_cast<std::uint32_t const*>(at + layout.blocks_at);
  view.tiles = reinterpret_cast<step_tile const*>(at + layout.tiles_at);
  view.sampled = reinterpret_cast<std::uint32_t const*>(at + layout.sampled_at);
  view.token_count = static_cast<std::uint32_t>(layout.token_count);
  view.sequence_count = static_cast<std::uint32_t>(inputs.sequences.size());
  view.tile_count = static_cast<std::uint32_t>(layout.tile_count);
  view.sampled_count = static_cast<std::uint32_t>(inputs.sampled.size());
  return view;
}

template <class T>
bool same_span(std::span<T const> one, std::span<T const> other) {
  return one.data() == other.data() && one.size() == other.size();
}

bool is_decode(step_inputs const& inputs) {
  return inputs.tokens.size() == inputs.sequences.size() && inputs.sampled.size() == inputs.tokens.size() &&
         inputs.tokens.size() <= most_recorded_tokens &&
         std::all_of(inputs.sequences.begin(), inputs.sequences.end(),
                     [](sequence_span const& span) { return span.token_count == 1; });
}

} // namespace

/// Into how many parts the longest sequence is cut, so that few sequences keep the device busy: a power of
/// two.
std::uint32_t cuda_backend::splits_for(std::span<sequence_span const> sequences, std::size_t tiles,
                                       std::uint32_t kv_heads) const {
  std::uint32_t longest = 0;
  for (auto const& span : sequences) longest = std::max(longest, span.first_position + span.token_count);
  auto const blocks = std::max<std::size_t>(tiles * kv_heads, 1);
  auto const wanted = std::max<std::size_t>(std::size_t{2} * queue_->processors() / blocks, 1);
  auto const useful = std::max(longest / least_split_positions, 1U);
  return std::bit_floor(static_cast<std::uint32_t>(std::min<std::size_t>({wanted, useful, most_splits})));
}

std::size_t cuda_backend::workspace_moves() const noexcept {
  return tables_.moves() + narrow_.moves() + expanded_.moves() + gates_.moves() + library_.moves() +
         partials_.moves() + draws_.moves();
}

/// Null, and a failure to be reported, where there is no memory.
step_view const* cuda_backend::send_tables(step_inputs const& inputs) {
  auto const group = group_of(inputs.attention);
  table_layout const layout(inputs, group);
  // Room to spare, so that growing sequences do not void recordings at every block.
  auto const room = layout.bytes <= tables_.size_bytes() ? layout.bytes : std::bit_ceil(layout.bytes * 2);
  auto* const memory = tables_.reserve(room);
  auto* const staged = memory == nullptr ? nullptr : staging_.take(layout.bytes);
  if (staged == nullptr) {
    fail("no memory for the tables of a step");
    return nullptr;
  }
  write_tables(layout, inputs, group, staged);
  queue_->copy(memory, staged, layout.bytes);
  loose_ = view_of(layout, inputs, memory);
  return &loose_;
}

/// The open step's tables if they are meant, else new ones.
step_view const* cuda_backend::tables_for(step_inputs const& inputs) {
  auto const part = [](auto asked, auto open) { return asked.empty() || same_span(asked, open); };
  bool const tiles_fit = inputs.sequences.empty() || group_of(inputs.attention) == step_.group;
  if (step_.open && tiles_fit && part(inputs.tokens, step_.inputs.tokens) &&
      part(inputs.sequences, step_.inputs.sequences) && part(inputs.sampled, step_.inputs.sampled))
    return &step_.view;
  assert(!step_.open); // would overwrite the open step's tables
  return send_tables(inputs);
}

step_course cuda_backend::begin_step(step_inputs const& inputs, void const* owner) {
  auto const* const sent = send_tables(inputs);
  if (sent == nullptr) return step_course::compute;
  step_ = {};
  step_.inputs = inputs;
  step_.view = *sent;
  step_.group = group_of(inputs.attention);
  step_.splits = splits_for(inputs.sequences, step_.view.tile_count, inputs.attention.kv_heads);
  step_.open = true;
  if (owner == nullptr || !is_decode(inputs)) return step_course::compute;
  step_key const key{owner, inputs.kv, step_.view.token_count, step_.splits};
  auto& known = recordings_.step(key, workspace_moves());
  if (known.work != nullptr) {
    step_ = {};
    queue_->replay(*known.work);
    return step_course::replayed;
  }
  if (known.computed && queue_->begin_recording()) step_.recording = &known;
  known.computed = true;
  return step_course::compute;
}

void cuda_backend::end_step() {
  auto* const recording = step_.recording;
  step_ = {};
  if (recording == nullptr) return;
  recording->work = queue_->end_recording();
  if (recording->work == nullptr)
    fail("a step could not be recorded");
  else
    queue_->replay(*recording->work);
}

void cuda_backend::embed(packed_weight const& table, token_id first, std::span<token_id const> tokens,
                         float* out) {
  auto const* const step = tables_for({tokens, {}, {}, {}, nullptr});
  if (step == nullptr) return;
  cuda::embed(*queue_, of(table).view(), first, step->tokens, static_cast<std::uint32_t>(tokens.size()), out);
}

void cuda_backend::gather(float const* x, std::size_t width, std::span<std::uint32_t const> rows,
                          float* out) {
  auto const* const step = tables_for({{}, {}, rows, {}, nullptr});
  if (step == nullptr) return;
  cuda::gather(*queue_, x, static_cast<std::uint32_t>(width), step->sampled,
               static_cast<std::uint32_t>(rows.size()), out);
}

rotation cuda_backend::rotation_for(rope_parameters const& rope) {
  auto const known = std::find_if(rotations_.begin(), rotations_.end(), [&](known_rotation const& each) {
    return each.parameters.theta == rope.theta && each.parameters.scale == rope.scale &&
           each.parameters.dims == rope.dims && std::ranges::equal(each.factors, rope.frequency_factors);
  });
  std::byte const* memory = known == rotations_.end() ? nullptr : known->memory;
  if (memory == nullptr && rope.dims >= 2) {
    auto const frequencies = rope_frequencies(rope);
    auto* const made = upload_weight(std::as_bytes(std::span(frequencies)));
    if (made == nullptr) {
      fail("no device memory for the frequencies of rotation");
      return {};
    }
    rotations_.push_back({rope, {rope.frequency_factors.begin(), rope.frequency_factors.end()}, made});
    memory = made;
  }
  return {reinterpret_cast<float const*>(memory), memory == nullptr ? 0 : rope.dims, rope.interleaved};
}

void cuda_backend::rotate_and_store(float* q, float const* k, float const* v,
                                    std::span<sequence_span const> sequences, attention_shape const& shape,
                                    rope_parameters const& rope, kv_memory& kv, std::uint32_t layer) {
  auto const turning = rotation_for(rope);
  auto const* const step = tables_for({{}, sequences, {}, shape, nullptr});
  if (step == nullptr) return;
  cuda::rotate_and_store(*queue_, q, k, v, *step, shape, turning, of(kv).view(layer));
}

void cuda_backend::attend(float const* q, std::span<sequence_span const> sequences,
                          attention_shape const& shape, kv_memory const& kv, std::uint32_t layer,
                          float* out) {
  auto const* const step = tables_for({{}, sequences, {}, shape, nullptr});
  if (step == nullptr) return;
  auto const splits = step_.open ? step_.splits : splits_for(sequences, step->tile_count, shape.kv_heads);
  auto const floats = partial_floats(*step, shape, splits);
  auto* const partials = floats == 0 ? nullptr : partials_.reserve(floats * sizeof(float));
  if (floats != 0 && partials == nullptr) return fail("no device memory for the parts of attention");
  cuda::attend(*queue_, q, *step, shape, of(kv).view(layer), splits, reinterpret_cast<float*>(partials), out);
}

void cuda_backend::draw(float const* logits, std::size_t vocabulary, std::span<draw_parameters const> rows,
                        std::span<token_id> tokens) {
  auto const count = rows.size();
  auto const rows_bytes = count * sizeof(draw_row);
  auto* const memory = draws_.reserve(rows_bytes + count * sizeof(token_id));
  auto* const staged = memory == nullptr ? nullptr : staging_.take(rows_bytes);
  if (staged == nullptr) return fail("no memory to draw tokens with");
  for (std::size_t i = 0; i < count; ++i) {
    auto const& asked = rows[i];
    draw_row const row{asked.temperature == 0 ? 0.0F : 1.0F / asked.temperature, asked.top_p, asked.min_p,
                       asked.top_k, asked.share};
    put(staged, 0, i, row);
  }
  queue_->copy(memory, staged, rows_bytes);
  auto* const chosen = reinterpret_cast<token_id*>(memory + rows_bytes);
  cuda::draw(*queue_, logits, static_cast<std::uint32_t>(vocabulary),
             reinterpret_cast<draw_row const*>(memory), static_cast<std::uint32_t>(count), chosen);
  if (!staging_.fetch(chosen, count * sizeof(token_id), tokens.data()) && queue_->wait())
    fail("no pinned memory to fetch tokens");
}

} // namespace mayfly::gpu::cuda
