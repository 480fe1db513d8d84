#pragma once
#include "protocol/base/ephemeral.hpp"

#include <cstdint>
#include <span>

namespace mayfly::gpu {

/// The distinct tokens of a sequence and how often the output holds each: what penalties look at. Content.
class token_counts {
public:
  struct entry {
    token_id token = 0;
    std::uint32_t in_output = 0;
  };

  void add_prompt(std::span<token_id const> prompt);
  void add_output(token_id token);

  /// By ascending token.
  std::span<entry const> entries() const noexcept { return entries_.reveal(); }
  std::size_t size_bytes() const noexcept { return entries_.size_bytes(); }
  void clear() noexcept { entries_.clear(); }

private:
  entry& find_or_insert(token_id token);

  ephemeral_buffer<entry> entries_;
};

} // namespace mayfly::gpu
