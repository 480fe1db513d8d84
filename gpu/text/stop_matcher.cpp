#include "gpu/text/stop_matcher.hpp"

namespace mayfly::gpu {
namespace {

/// For each length n >= 1 of `text` the longest proper prefix that also ends its first n bytes; [0] is 0.
ephemeral_buffer<std::uint32_t> fallbacks_of(std::string_view text) {
  auto table = ephemeral_buffer<std::uint32_t>::zeros(text.size() + 1);
  auto const fallback = table.reveal();
  std::uint32_t matched = 0;
  for (std::size_t at = 1; at < text.size(); ++at) {
    while (matched > 0 && text[at] != text[matched]) matched = fallback[matched];
    if (text[at] == text[matched]) ++matched;
    fallback[at + 1] = matched;
  }
  return table;
}

} // namespace

stop_matcher::stop_matcher(std::span<ephemeral_text const> stops) {
  for (auto const& text : stops)
    if (!text.empty()) stops_.push_back({text.clone(), fallbacks_of(text.reveal()), 0});
}

std::size_t stop_matcher::take(char byte) noexcept {
  std::size_t longest = 0;
  for (auto& [text, fallback, matched] : stops_) {
    auto const wanted = text.reveal();
    if (matched == wanted.size()) matched = fallback.reveal()[matched];
    while (matched > 0 && wanted[matched] != byte) matched = fallback.reveal()[matched];
    if (wanted[matched] == byte) ++matched;
    if (matched == wanted.size()) longest = std::max(longest, matched);
  }
  return longest;
}

std::size_t stop_matcher::undecided() const noexcept {
  std::size_t longest = 0;
  for (auto const& looked_for : stops_) longest = std::max(longest, looked_for.matched);
  return longest;
}

} // namespace mayfly::gpu
