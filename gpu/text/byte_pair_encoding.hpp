#pragma once
#include "gpu/text/vocabulary.hpp"

namespace mayfly::gpu {

/// Byte-pair merging (Sennrich et al. 2016): of all neighbours the pair with the lowest rank merges, the
/// leftmost first, until none can. Scratch is kept between pieces and wiped with the object.
class byte_pair_merger {
public:
  explicit byte_pair_merger(vocabulary const& tokens) noexcept : tokens_(tokens) {}

  /// Appends the tokens of one piece; bytes that the vocabulary lacks are left out. Takes O(n log n) for n
  /// bytes.
  void merge(std::string_view piece, ephemeral_tokens& out);

private:
  struct symbol {
    token_id token;
    std::int32_t before; ///< index of the neighbour, -1: none
    std::int32_t after;
  };
  /// A pair that could merge. Stale once either side has changed: `left` and `right` say what it saw.
  struct candidate {
    std::uint32_t rank;
    std::int32_t at; ///< the left one's index
    token_id left;
    token_id right;
    token_id merged;
  };

  void merge_short(std::string_view piece, ephemeral_tokens& out);
  void merge_long(std::string_view piece, ephemeral_tokens& out);
  void link_symbols(std::string_view piece);
  void offer(std::int32_t left);
  void take_best();
  token_id token_of(char byte) const noexcept;

  vocabulary const& tokens_;
  ephemeral_buffer<symbol> symbols_;
  ephemeral_buffer<candidate> heap_;
  std::size_t heap_size_ = 0;
};

} // namespace mayfly::gpu
