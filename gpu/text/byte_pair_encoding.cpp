#include "gpu/text/byte_pair_encoding.hpp"

#include "protocol/base/wipe.hpp"

#include <algorithm>
#include <array>

namespace mayfly::gpu {
namespace {

/// Up to here looking at all pairs again beats a heap.
constexpr std::size_t short_bytes = 32;

} // namespace

token_id byte_pair_merger::token_of(char byte) const noexcept {
  return tokens_.byte_token(static_cast<unsigned char>(byte));
}

void byte_pair_merger::merge(std::string_view piece, ephemeral_tokens& out) {
  if (piece.size() <= short_bytes)
    merge_short(piece, out);
  else
    merge_long(piece, out);
}

void byte_pair_merger::merge_short(std::string_view piece, ephemeral_tokens& out) {
  std::array<token_id, short_bytes> tokens;
  std::array<merge_rule, short_bytes> rules; // of a token and the next one
  std::size_t count = 0;
  for (auto const byte : piece)
    if (auto const token = token_of(byte); token != no_token) tokens[count++] = token;
  for (std::size_t at = 0; at + 1 < count; ++at) rules[at] = tokens_.merge_of(tokens[at], tokens[at + 1]);
  while (count > 1) {
    auto const end = rules.begin() + static_cast<std::ptrdiff_t>(count) - 1;
    auto const best = std::min_element(rules.begin(), end, [](auto& a, auto& b) { return a.rank < b.rank; });
    if (best->merged == no_token) break;
    auto const at = static_cast<std::size_t>(best - rules.begin());
    tokens[at] = best->merged;
    std::copy(tokens.begin() + at + 2, tokens.begin() + count, tokens.begin() + at + 1);
    std::copy(best + 1, end, best);
    --count;
    if (at > 0) rules[at - 1] = tokens_.merge_of(tokens[at - 1], tokens[at]);
    if (at + 1 < count) rules[at] = tokens_.merge_of(tokens[at], tokens[at + 1]);
  }
  out.append({tokens.data(), count});
  wipe(tokens.data(), sizeof tokens);
  wipe(rules.data(), sizeof rules);
}

void byte_pair_merger::merge_long(std::string_view piece, ephemeral_tokens& out) {
  link_symbols(piece);
  for (std::int32_t at = 0; at < static_cast<std::int32_t>(symbols_.size()); ++at) offer(at);
  while (heap_size_ > 0) take_best();
  auto const symbols = symbols_.reveal();
  for (std::int32_t at = symbols.empty() ? -1 : 0; at >= 0; at = symbols[static_cast<std::size_t>(at)].after)
    out.push_back(symbols[static_cast<std::size_t>(at)].token);
}

void byte_pair_merger::link_symbols(std::string_view piece) {
  symbols_.resize(0);
  symbols_.reserve(piece.size());
  for (auto const byte : piece) {
    auto const token = token_of(byte);
    if (token == no_token) continue;
    auto const at = static_cast<std::int32_t>(symbols_.size());
    symbols_.push_back({token, at - 1, at + 1});
  }
  if (!symbols_.empty()) symbols_.reveal().back().after = -1;
  heap_.resize(0);
  heap_.reserve(symbols_.size() * 3); // each merge offers at most two new pairs
  heap_size_ = 0;
}

namespace {
/// Orders the heap so that the lowest rank, then the leftmost, is on top.
constexpr auto goes_later = [](auto const& a, auto const& b) {
  return a.rank != b.rank ? a.rank > b.rank : a.at > b.at;
};
} // namespace

void byte_pair_merger::offer(std::int32_t left) {
  auto const symbols = symbols_.reveal();
  auto const [token, before, after] = symbols[static_cast<std::size_t>(left)];
  if (after < 0) return;
  auto const right = symbols[static_cast<std::size_t>(after)].token;
  auto const rule = tokens_.merge_of(token, right);
  if (rule.merged == no_token) return;
  candidate const offered{rule.rank, left, token, right, rule.merged};
  if (heap_size_ < heap_.size())
    heap_.reveal()[heap_size_] = offered;
  else
    heap_.push_back(offered);
  ++heap_size_;
  auto const heap = heap_.reveal().first(heap_size_);
  std::push_heap(heap.begin(), heap.end(), goes_later);
}

void byte_pair_merger::take_best() {
  auto const heap = heap_.reveal().first(heap_size_);
  std::pop_heap(heap.begin(), heap.end(), goes_later);
  auto const best = heap[--heap_size_];
  auto const symbols = symbols_.reveal();
  auto& left = symbols[static_cast<std::size_t>(best.at)];
  if (left.token != best.left || left.after < 0) return;
  auto& right = symbols[static_cast<std::size_t>(left.after)];
  if (right.token != best.right) return;
  left.token = best.merged;
  left.after = right.after;
  right.token = no_token; // a dead symbol matches no candidate
  if (left.after >= 0) symbols[static_cast<std::size_t>(left.after)].before = best.at;
  offer(best.at);
  if (left.before >= 0) offer(left.before);
}

} // namespace mayfly::gpu
