#include "gpu/model/hyper_parameters.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>

namespace mayfly::gpu {
namespace {

// Beyond these no network exists; they keep products of shapes far from overflow.
constexpr std::uint64_t largest_count = std::uint64_t{1} << 20;
constexpr std::uint64_t largest_layers = 1024;
constexpr std::uint64_t largest_heads = 1024;
constexpr std::uint64_t largest_head_dim = 1024;
constexpr std::uint64_t largest_context = std::uint64_t{1} << 24;

/// Reads keys below one architecture's prefix and keeps the first thing that is wrong.
class key_reader {
public:
  key_reader(gguf_file const& file, std::string_view architecture)
      : file_(file), prefix_(std::string(architecture) + ".") {}

  std::uint32_t count(std::string_view name, std::uint64_t largest, std::optional<std::uint32_t> fallback) {
    auto const key = prefix_ + std::string(name);
    auto const value = file_.integer(key);
    bool const varies = !file_.integers(key).empty(); // an array: a number for each layer
    if (varies) fail(errc::unsupported, "layers that differ in a count of the network");
    if (!value && fallback) return *fallback;
    if (!value)
      fail(errc::malformed, "a count of the network is missing from the model's metadata");
    else if (*value == 0 || *value > largest)
      fail(errc::malformed, "a count of the network is out of range");
    else
      return static_cast<std::uint32_t>(*value);
    return 1; // something to go on with: the failure is kept
  }

  double real(std::string_view name, double fallback) {
    auto const value = file_.number(prefix_ + std::string(name)).value_or(fallback);
    if (!std::isfinite(value) || value < 0) fail(errc::malformed, "a number of the network is out of range");
    return value;
  }

  std::optional<std::string_view> text(std::string_view name) const {
    return file_.text(prefix_ + std::string(name));
  }
  std::optional<bool> flag(std::string_view name) const { return file_.flag(prefix_ + std::string(name)); }
  std::optional<std::uint64_t> integer(std::string_view name) const {
    return file_.integer(prefix_ + std::string(name));
  }

  void fail(errc code, literal what) {
    if (outcome_) outcome_ = error{code, what, 0};
  }
  result<void> const& outcome() const noexcept { return outcome_; }

private:
  gguf_file const& file_;
  std::string prefix_;
  result<void> outcome_;
};

void read_positions(key_reader& keys, hyper_parameters& read) {
  read.rope_dims = keys.count("rope.dimension_count", largest_head_dim, read.head_dim);
  read.rope_theta = static_cast<float>(keys.real("rope.freq_base", 10000.0));
  auto const scaling = keys.text("rope.scaling.type").value_or("linear");
  if (scaling != "linear" && scaling != "none")
    keys.fail(errc::unsupported, "the model scales positions in a way other than linear");
  // Older files call the factor rope.scale_linear; 0 means none.
  auto const factor = keys.real("rope.scaling.factor", keys.real("rope.scale_linear", 0));
  read.rope_scale = scaling == "linear" && factor > 0 ? static_cast<float>(1.0 / factor) : 1.0F;
  if (keys.real("rope.scaling.attn_factor", 1.0) != 1.0)
    keys.fail(errc::unsupported, "the model scales attention with its positions");
  if (read.rope_dims % 2 != 0 || read.rope_dims > read.head_dim || read.rope_theta <= 0)
    keys.fail(errc::malformed, "the rotary dimensions do not fit the heads");
}

bool has_float_weights(gguf_file const& file) {
  return std::all_of(file.tensor_names().begin(), file.tensor_names().end(), [&](std::string_view name) {
    auto const type = file.tensor(name)->type;
    return type == tensor_type::f32 || type == tensor_type::f16 || type == tensor_type::bf16;
  });
}

void refuse_other_networks(key_reader& keys, hyper_parameters const& read) {
  if (keys.integer("attention.value_length").value_or(read.head_dim) != read.head_dim)
    keys.fail(errc::unsupported, "keys and values of different widths");
  if (!keys.flag("attention.causal").value_or(true))
    keys.fail(errc::unsupported, "attention that is not causal");
  if (keys.integer("expert_count").value_or(0) != 0) keys.fail(errc::unsupported, "a mixture of experts");
}

} // namespace

result<hyper_parameters> read_hyper_parameters(gguf_file const& file, std::string_view architecture) {
  key_reader keys(file, architecture);
  hyper_parameters read;
  read.layers = keys.count("block_count", largest_layers, {});
  read.width = keys.count("embedding_length", largest_count, {});
  read.hidden = keys.count("feed_forward_length", largest_count, {});
  read.heads = keys.count("attention.head_count", largest_heads, {});
  read.kv_heads = keys.count("attention.head_count_kv", largest_heads, read.heads);
  read.context_tokens = keys.count("context_length", largest_context, {});
  read.head_dim = keys.count("attention.key_length", largest_head_dim, std::max(1U, read.width / read.heads));
  read.norm_epsilon = static_cast<float>(keys.real("attention.layer_norm_rms_epsilon", 1e-5));
  read.float_weights = has_float_weights(file);
  read_positions(keys, read);
  refuse_other_networks(keys, read);
  if (read.heads % read.kv_heads != 0)
    keys.fail(errc::malformed, "the query heads do not divide among the key heads");

  auto const embedding = file.tensor("token_embd.weight");
  if (!embedding || embedding->rows == 0 || embedding->rows > (std::uint64_t{1} << 24))
    keys.fail(errc::malformed, "the model has no usable embedding table");
  else
    read.vocabulary = static_cast<std::uint32_t>(embedding->rows);
  if (keys.integer("vocab_size").value_or(read.vocabulary) != read.vocabulary)
    keys.fail(errc::malformed, "the stated vocabulary differs from the embedding table");
  if (!keys.outcome()) return keys.outcome().failure();
  return read;
}

} // namespace mayfly::gpu
