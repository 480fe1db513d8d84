#include "gpu/text/added_tokens.hpp"

#include <algorithm>

namespace mayfly::gpu {
namespace {

/// Hugging Face lets every added token match in content, `<think>` and `</tool_response>` too: a user could
/// write himself a turn's structure. What has a tag's shape belongs to templates.
bool looks_like_markup(std::string_view text) noexcept {
  return (text.front() == '<' && text.back() == '>') || (text.front() == '[' && text.back() == ']');
}

unsigned char first_byte(std::string_view text) noexcept { return static_cast<unsigned char>(text.front()); }

} // namespace

added_tokens::added_tokens(vocabulary const& tokens) : tokens_(&tokens) {
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    auto const token = static_cast<token_id>(id);
    auto const type = tokens.type(token);
    auto const text = tokens.bytes(token);
    auto const added =
        type == token_type::control || type == token_type::user_defined || type == token_type::unknown;
    if (!added || text.empty()) continue;
    auto const free = type == token_type::user_defined && !looks_like_markup(text);
    entries_.push_back({text, token, free ? added_scope::anywhere : added_scope::own});
    any_anywhere_ = any_anywhere_ || free;
  }
  std::sort(entries_.begin(), entries_.end(), [](entry const& a, entry const& b) {
    if (first_byte(a.text) != first_byte(b.text)) return first_byte(a.text) < first_byte(b.text);
    if (a.text.size() != b.text.size()) return a.text.size() > b.text.size();
    return a.token < b.token;
  });
  for (std::size_t at = 0; at < entries_.size(); ++at) {
    auto& range = first_[first_byte(entries_[at].text)];
    if (range.second == 0) range.first = static_cast<std::uint32_t>(at);
    range.second = static_cast<std::uint32_t>(at + 1);
  }
}

token_id added_tokens::longest_at(std::string_view text, std::size_t at, std::size_t own_end) const noexcept {
  auto const [begin, end] = first_[static_cast<unsigned char>(text[at])];
  for (auto index = begin; index < end; ++index) {
    auto const& candidate = entries_[index];
    if (candidate.scope == added_scope::own && at + candidate.text.size() > own_end) continue;
    if (text.compare(at, candidate.text.size(), candidate.text) == 0) return candidate.token;
  }
  return no_token;
}

std::optional<added_match> added_tokens::find(std::string_view text, std::size_t from,
                                              std::span<text_span const> own) const noexcept {
  auto span = std::partition_point(own.begin(), own.end(), [&](text_span s) { return s.end <= from; });
  for (auto at = from; at < text.size(); ++at) {
    while (span != own.end() && span->end <= at) ++span;
    auto const inside = span != own.end() && span->begin <= at;
    if (!inside && !any_anywhere_) {
      if (span == own.end()) return {};
      at = span->begin;
    }
    auto const own_end = span != own.end() && span->begin <= at ? span->end : 0;
    auto const token = longest_at(text, at, own_end);
    if (token != no_token) return added_match{at, at + length_of(token), token};
  }
  return {};
}

std::size_t added_tokens::length_of(token_id token) const noexcept { return tokens_->bytes(token).size(); }

} // namespace mayfly::gpu
