#pragma once
#include "gpu/text/jinja/failure.hpp"
#include "gpu/text/jinja/lexer.hpp"

namespace mayfly::gpu::jinja {

/// Tokens in the order of reading; the last one, `end`, repeats for ever.
class token_stream {
public:
  explicit token_stream(std::vector<token> tokens) : tokens_(std::move(tokens)) {}

  token const& now() const noexcept { return tokens_[at_]; }
  token const& ahead() const noexcept { return tokens_[at_ + 1 < tokens_.size() ? at_ + 1 : at_]; }
  token const& take() noexcept {
    auto const& taken = tokens_[at_];
    if (at_ + 1 < tokens_.size()) ++at_;
    return taken;
  }

  bool sees(token_kind kind) const noexcept { return now().kind == kind; }
  bool sees_sign(std::string_view sign) const noexcept {
    return sees(token_kind::sign) && now().text == sign;
  }
  bool sees_name(std::string_view name) const noexcept {
    return sees(token_kind::name) && now().text == name;
  }
  bool take_if_sign(std::string_view sign) noexcept { return sees_sign(sign) && (take(), true); }
  bool take_if_name(std::string_view name) noexcept { return sees_name(name) && (take(), true); }

  token const& expect(token_kind kind) {
    if (!sees(kind)) refuse();
    return take();
  }
  void expect_sign(std::string_view sign) {
    if (!take_if_sign(sign)) refuse();
  }
  void expect_name(std::string_view name) {
    if (!take_if_name(name)) refuse();
  }
  [[noreturn]] void refuse() const {
    fail(errc::malformed, "a chat template has something where it may not be", now().line);
  }

private:
  std::vector<token> tokens_;
  std::size_t at_ = 0;
};

} // namespace mayfly::gpu::jinja
