#include "gpu/text/vocabulary.hpp"

#include "gpu/text/byte_mapping.hpp"

#include <algorithm>
#include <bit>

namespace mayfly::gpu {
namespace {

constexpr std::size_t most_tokens = std::size_t{1} << 24;

std::uint64_t pair_of(token_id left, token_id right) noexcept {
  return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 |
         static_cast<std::uint32_t>(right);
}

std::size_t slot_of(std::uint64_t pair, std::size_t slots) noexcept {
  // Fibonacci hashing (Knuth, TAOCP 6.4): the high bits of the product are the best mixed.
  return static_cast<std::size_t>((pair * 0x9E3779B97F4A7C15ULL) >> 32) & (slots - 1);
}

std::size_t hash_of(std::string_view bytes) noexcept { return std::hash<std::string_view>{}(bytes); }

bool is_added(token_type type) noexcept {
  return type == token_type::control || type == token_type::user_defined || type == token_type::unknown;
}

/// Where a merge's spelling splits: the first space that is not its first character.
std::size_t split_of(std::string_view merge) noexcept { return merge.find(' ', 1); }

} // namespace

result<vocabulary> vocabulary::make(vocabulary_source const& source) {
  vocabulary made;
  if (auto taken = made.take_tokens(source); !taken) return taken.failure();
  made.take_merges(source);
  made.index();
  return made;
}

result<void> vocabulary::take_tokens(vocabulary_source const& source) {
  auto const count = source.tokens.size();
  if (count == 0 || count > most_tokens)
    return error{errc::malformed, "number of tokens", std::int64_t(count)};
  if (!source.types.empty() && source.types.size() != count)
    return error{errc::malformed, "as many token types as tokens are due", std::int64_t(source.types.size())};
  types_ = source.types;
  types_.resize(count, token_type::normal);
  starts_.reserve(count + 1);
  spelled_.reserve(count);
  for (std::size_t id = 0; id < count; ++id) {
    auto const text = source.tokens[id];
    starts_.push_back(static_cast<std::uint32_t>(blob_.size()));
    auto const unmapped = is_added(types_[id]) ? std::nullopt : unmap_bytes(text);
    blob_ += unmapped ? std::string_view(*unmapped) : text;
    if (blob_.size() > UINT32_MAX / 2) return error{errc::malformed, "bytes of all tokens", std::int64_t(id)};
    spelled_.emplace(std::string(text), static_cast<token_id>(id));
  }
  starts_.push_back(static_cast<std::uint32_t>(blob_.size()));
  for (auto const id : {source.bos, source.eos, source.eot, source.eom, source.unk, source.pad})
    if (id && !contains(*id))
      return error{errc::malformed, "a special token's id is outside the vocabulary", *id};
  return {};
}

void vocabulary::take_merges(vocabulary_source const& source) {
  merges_.resize(std::bit_ceil(source.merges.size() * 2 + 1));
  for (std::size_t rank = 0; rank < source.merges.size(); ++rank) {
    auto const merge = source.merges[rank];
    auto const space = split_of(merge);
    if (space == std::string_view::npos) continue;
    auto const left = spelled(merge.substr(0, space));
    auto const right = spelled(merge.substr(space + 1));
    std::string joined(merge.substr(0, space));
    joined += merge.substr(space + 1);
    auto const merged = spelled(joined);
    // Merges whose tokens are missing can never apply.
    if (left == no_token || right == no_token || merged == no_token) continue;
    auto const pair = pair_of(left, right);
    auto at = slot_of(pair, merges_.size());
    while (merges_[at].pair != UINT64_MAX && merges_[at].pair != pair) at = (at + 1) & (merges_.size() - 1);
    if (merges_[at].pair != pair) merges_[at] = {pair, {static_cast<std::uint32_t>(rank), merged}};
  }
}

void vocabulary::index() {
  for (unsigned byte = 0; byte < 256; ++byte) byte_tokens_[byte] = no_token;
  whole_.assign(std::bit_ceil(size() * 2 + 1), no_token);
  for (std::size_t id = 0; id < size(); ++id) {
    if (types_[id] != token_type::normal) continue;
    auto const token = static_cast<token_id>(id);
    auto const text = bytes(token);
    if (text.size() == 1) byte_tokens_[static_cast<unsigned char>(text[0])] = token;
    auto at = hash_of(text) & (whole_.size() - 1);
    while (whole_[at] != no_token) at = (at + 1) & (whole_.size() - 1);
    whole_[at] = token;
  }
}

std::string_view vocabulary::bytes(token_id token) const noexcept {
  if (!contains(token)) return {};
  auto const at = static_cast<std::size_t>(token);
  return std::string_view(blob_).substr(starts_[at], starts_[at + 1] - starts_[at]);
}

token_id vocabulary::whole_token(std::string_view text) const noexcept {
  for (auto at = hash_of(text) & (whole_.size() - 1); whole_[at] != no_token;
       at = (at + 1) & (whole_.size() - 1))
    if (bytes(whole_[at]) == text) return whole_[at];
  return no_token;
}

token_id vocabulary::spelled(std::string_view text) const noexcept {
  auto const found = spelled_.find(std::string(text));
  return found == spelled_.end() ? no_token : found->second;
}

merge_rule vocabulary::merge_of(token_id left, token_id right) const noexcept {
  auto const pair = pair_of(left, right);
  for (auto at = slot_of(pair, merges_.size()); merges_[at].pair != UINT64_MAX;
       at = (at + 1) & (merges_.size() - 1))
    if (merges_[at].pair == pair) return merges_[at].rule;
  return {};
}

} // namespace mayfly::gpu
