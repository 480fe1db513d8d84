#include "gpu/text/tokenizer.hpp"

#include "gpu/text/byte_pair_encoding.hpp"
#include "gpu/text/end_of_generation.hpp"
#include "gpu/text/normalization.hpp"
#include "gpu/text/utf8.hpp"

#include <algorithm>

namespace mayfly::gpu {

/// What one call of `encode` needs; wiped at its end.
struct tokenizer::workspace {
  byte_pair_merger merger;
  pattern_matcher matcher;
  ephemeral_tokens out;
};

result<std::shared_ptr<tokenizer const>> tokenizer::make(vocabulary_source const& source) {
  if (source.model != "gpt2") return error{errc::unsupported, "the model's tokeniser is not byte-level BPE"};
  auto pieces = pre_tokenizer::make(source.pre);
  if (!pieces) return pieces.failure();
  auto tokens = vocabulary::make(source);
  if (!tokens) return tokens.failure();
  return std::make_shared<tokenizer const>(source, std::move(*tokens), std::move(*pieces));
}

tokenizer::tokenizer(vocabulary_source const& source, vocabulary tokens, pre_tokenizer pieces)
    : tokens_(std::move(tokens)), ends_(find_end_of_generation(tokens_, source)), added_(tokens_),
      pieces_(std::move(pieces)), bos_(source.bos), eos_(source.eos),
      adds_bos_(source.bos && source.add_bos.value_or(pieces_.traits().add_bos)),
      nfc_(source.normalizer == text_normalizer::as_pre_tokenizer
               ? pieces_.traits().nfc
               : source.normalizer == text_normalizer::nfc) {
  for (std::size_t id = 0; id < tokens_.size(); ++id)
    longest_token_ = std::max(longest_token_, tokens_.bytes(static_cast<token_id>(id)).size());
}

std::size_t tokenizer::least_tokens(std::size_t bytes) const noexcept {
  constexpr std::size_t most_shrunk_by_nfc = 4; // of UTF-8: nine bytes of Hangul letters become three
  return bytes / (longest_token_ * (nfc_ ? most_shrunk_by_nfc : 1));
}

ephemeral_tokens tokenizer::encode(std::string_view text) const { return encode_parts(text, {}); }

ephemeral_tokens tokenizer::encode(template_output const& prompt) const {
  return encode_parts(prompt.text.reveal(), prompt.own.reveal());
}

ephemeral_tokens tokenizer::encode_parts(std::string_view text, std::span<text_span const> own) const {
  workspace work{byte_pair_merger(tokens_), {}, {}};
  work.out.reserve(text.size() / 3 + 8);
  std::size_t done = 0;
  while (auto const match = added_.find(text, done, own)) {
    encode_segment(text.substr(done, match->begin - done), work);
    work.out.push_back(match->token);
    done = match->end;
  }
  encode_segment(text.substr(done), work);
  return std::move(work.out);
}

void tokenizer::encode_segment(std::string_view text, workspace& work) const {
  while (!text.empty()) {
    auto const valid = valid_utf8_prefix(text);
    encode_valid(text.substr(0, valid), work);
    text.remove_prefix(valid);
    if (text.empty()) return;
    auto const broken = decode_utf8(text).bytes;
    work.merger.merge(text.substr(0, broken), work.out);
    text.remove_prefix(broken);
  }
}

void tokenizer::encode_valid(std::string_view text, workspace& work) const {
  auto const normalized = nfc_ && !is_plainly_nfc(text) ? to_nfc(text) : ephemeral_text();
  if (!normalized.empty()) text = normalized.reveal();
  pieces_.split(text, work.matcher, [&](std::string_view piece) {
    auto const whole = pieces_.traits().whole_pieces_first ? tokens_.whole_token(piece) : no_token;
    if (whole != no_token)
      work.out.push_back(whole);
    else
      work.merger.merge(piece, work.out);
  });
}

bool tokenizer::is_special(token_id token) const noexcept {
  return tokens_.contains(token) &&
         (tokens_.type(token) == token_type::control || tokens_.type(token) == token_type::unknown);
}

void tokenizer::decode(token_id token, ephemeral_text& out, bool special) const {
  if (special || !is_special(token)) out.append(tokens_.bytes(token));
}

} // namespace mayfly::gpu
