#include "gpu/text/detokenizer.hpp"

#include "gpu/text/utf8.hpp"

namespace mayfly::gpu {
namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD"; // U+FFFD

} // namespace

detokenizer::detokenizer(std::shared_ptr<tokenizer const> tokens, std::span<ephemeral_text const> stops)
    : tokens_(std::move(tokens)), stops_(stops) {}

void detokenizer::take(token_id token, ephemeral_text& out) {
  if (stopped_) return;
  tokens_->decode(token, bytes_, false);
  take_bytes(out, false);
}

void detokenizer::finish(ephemeral_text& out) {
  if (stopped_) return;
  take_bytes(out, true);
  if (!stopped_) release(out, 0);
}

void detokenizer::take_bytes(ephemeral_text& out, bool last) {
  auto rest = bytes_.reveal();
  while (!rest.empty() && !stopped_) {
    auto const valid = valid_utf8_prefix(rest);
    take_text(rest.substr(0, valid));
    rest.remove_prefix(valid);
    if (rest.empty() || stopped_) break;
    auto const broken = decode_utf8(rest);
    if (broken.truncated && !last) break;
    take_text(replacement);
    rest.remove_prefix(broken.bytes);
  }
  if (!bytes_.empty()) bytes_.drop_front(stopped_ ? bytes_.size() : bytes_.size() - rest.size());
  release(out, stopped_ ? 0 : stops_.undecided());
}

void detokenizer::take_text(std::string_view text) {
  for (auto const byte : text) {
    held_.push_back(byte);
    auto const stop = stops_.take(byte);
    if (stop == 0) continue;
    held_.resize(held_.size() - stop);
    stopped_ = true;
    return;
  }
}

void detokenizer::release(ephemeral_text& out, std::size_t kept) {
  auto const count = held_.size() - kept;
  if (count == 0) return;
  out.append(held_.reveal().substr(0, count));
  held_.drop_front(count);
}

} // namespace mayfly::gpu
