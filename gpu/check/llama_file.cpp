#include "gpu/check/llama_file.hpp"

#include "gpu/formats/tensor.hpp"

#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace mayfly::gpu::check {
namespace {

constexpr std::size_t alignment = 32;

template <class T>
void put(std::string& to, T value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  to.append(bytes, sizeof value);
}
void put_text(std::string& to, std::string_view text) {
  put(to, std::uint64_t{text.size()});
  to.append(text);
}

/// A matrix's place in the file's data, and what is written there.
struct placed {
  std::uint64_t offset = 0;
  std::uint64_t rows = 0; ///< 0: a vector of ones, in f32
  std::uint64_t columns = 0;
  std::uint64_t bytes() const { return rows == 0 ? columns * 4 : rows * columns * 2; }
};

class llama_layout {
public:
  explicit llama_layout(llama_shape const& shape) : shape_(shape) {
    auto const kv_width = shape.width / shape.heads * shape.kv_heads;
    auto const ones = place(0, shape.width);
    auto const table = place(shape.vocabulary, shape.width);
    auto const square = place(shape.width, shape.width);
    auto const narrow = place(kv_width, shape.width);
    auto const up = place(shape.hidden, shape.width);
    auto const down = place(shape.width, shape.hidden);
    name("token_embd.weight", table);
    name("output.weight", table);
    name("output_norm.weight", ones);
    for (std::uint32_t layer = 0; layer < shape.layers; ++layer) {
      auto const at = "blk." + std::to_string(layer) + ".";
      for (auto const* each : {"attn_norm.weight", "ffn_norm.weight"}) name(at + each, ones);
      for (auto const* each : {"attn_q.weight", "attn_output.weight"}) name(at + each, square);
      for (auto const* each : {"attn_k.weight", "attn_v.weight"}) name(at + each, narrow);
      for (auto const* each : {"ffn_gate.weight", "ffn_up.weight"}) name(at + each, up);
      name(at + "ffn_down.weight", down);
    }
  }

  std::string head() const {
    std::string out;
    put(out, std::uint32_t{0x46554747}); // GGUF
    put(out, std::uint32_t{3});
    put(out, names_);
    auto const [values, count] = metadata();
    put(out, count);
    out += values + infos_;
    out.resize((out.size() + alignment - 1) / alignment * alignment);
    return out;
  }
  std::vector<placed> const& data() const { return data_; }

private:
  placed place(std::uint64_t rows, std::uint64_t columns) {
    placed made{end_, rows, columns};
    end_ += (made.bytes() + alignment - 1) / alignment * alignment;
    data_.push_back(made);
    return made;
  }
  void name(std::string const& called, placed const& at) {
    put_text(infos_, called);
    put(infos_, std::uint32_t{at.rows == 0 ? 1U : 2U});
    put(infos_, at.columns);
    if (at.rows != 0) put(infos_, at.rows);
    put(infos_, static_cast<std::uint32_t>(at.rows == 0 ? tensor_type::f32 : tensor_type::bf16));
    put(infos_, at.offset);
    ++names_;
  }
  std::pair<std::string, std::uint64_t> metadata() const {
    std::string out;
    std::uint64_t count = 0;
    put_text(out, "general.architecture"), put(out, std::uint32_t{8}), put_text(out, "llama"), ++count;
    auto const integer = [&](std::string_view key, std::uint32_t value) {
      put_text(out, key), put(out, std::uint32_t{4}), put(out, value), ++count;
    };
    integer("llama.block_count", shape_.layers);
    integer("llama.embedding_length", shape_.width);
    integer("llama.feed_forward_length", shape_.hidden);
    integer("llama.attention.head_count", shape_.heads);
    integer("llama.attention.head_count_kv", shape_.kv_heads);
    integer("llama.context_length", shape_.context_tokens);
    integer("llama.rope.dimension_count", shape_.width / shape_.heads);
    put_text(out, "llama.rope.freq_base"), put(out, std::uint32_t{6}), put(out, 500000.0F), ++count;
    return {out, count};
  }

  llama_shape shape_;
  std::vector<placed> data_;
  std::string infos_;
  std::uint64_t names_ = 0;
  std::uint64_t end_ = 0;
};

/// Numbers with a deviation of about 1 / sqrt(columns), which keeps activations at their size.
void fill(placed const& matrix, std::uint64_t& state, std::vector<std::uint16_t>& row) {
  auto const scale = std::sqrt(3.0F / static_cast<float>(matrix.columns));
  row.resize(matrix.columns);
  for (auto& each : row) { // xorshift64 (Marsaglia, 2003)
    state ^= state << 13U;
    state ^= state >> 7U;
    state ^= state << 17U;
    auto const value = scale * static_cast<float>(static_cast<std::int32_t>(state >> 32U)) * 0x1p-31F;
    each = static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(value) >> 16U);
  }
}

void write_matrix(std::ofstream& out, placed const& matrix, std::uint64_t& state) {
  if (matrix.rows == 0) {
    std::vector<float> const ones(matrix.columns, 1.0F);
    out.write(reinterpret_cast<char const*>(ones.data()), static_cast<std::streamsize>(matrix.bytes()));
    return;
  }
  std::vector<std::uint16_t> row;
  for (std::uint64_t i = 0; i < matrix.rows; ++i) {
    fill(matrix, state, row);
    out.write(reinterpret_cast<char const*>(row.data()), static_cast<std::streamsize>(row.size() * 2));
  }
}

} // namespace

llama_size size_of(llama_shape const& shape) {
  std::uint64_t const width = shape.width;
  auto const kv_width = width / shape.heads * shape.kv_heads;
  auto const layer = 2 * width * width + 2 * kv_width * width + 3 * width * shape.hidden;
  auto const stepped = layer * shape.layers + width * shape.vocabulary;
  return {stepped + width * shape.vocabulary, stepped * 2};
}

bool write_llama(std::filesystem::path const& file, llama_shape const& shape) {
  llama_layout const layout(shape);
  std::ofstream out(file, std::ios::binary);
  auto const head = layout.head();
  out.write(head.data(), static_cast<std::streamsize>(head.size()));
  std::uint64_t state = 88172645463325252U;
  for (auto const& each : layout.data()) {
    out.seekp(static_cast<std::streamoff>(head.size() + each.offset));
    write_matrix(out, each, state);
  }
  out.close();
  return !out.fail();
}

} // namespace mayfly::gpu::check
