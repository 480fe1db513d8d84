#include "gpu/engine/sequence.hpp"

#include <algorithm>
#include <utility>

namespace mayfly::gpu {

sequence::sequence(sequence_handle name, sequence_request request, std::size_t limit)
    : handle(name), account(request.account), priority(request.priority), tokens(std::move(request.prompt)),
      prompt_tokens(tokens.size()), token_limit(std::min(limit, tokens.size() + request.max_tokens)),
      sampling(request.sampling, std::move(request.bias), tokens.reveal()), credit(request.credit) {
  if (!request.ignore_stop_tokens) stop_tokens = std::move(request.stop_tokens);
}

void sequence::add_credit(std::uint32_t granted) noexcept {
  credit = granted > UINT32_MAX - credit ? UINT32_MAX : credit + granted;
}

bool sequence::stops_at(token_id token) const noexcept {
  auto const stops = stop_tokens.reveal();
  return std::find(stops.begin(), stops.end(), token) != stops.end();
}

void sequence::add(token_id token) {
  tokens.push_back(token);
  sampling.add(token);
}

std::size_t sequence::wipe() noexcept {
  auto const bytes = tokens.size_bytes() + stop_tokens.size_bytes() + sampling.wipe();
  tokens.clear();
  stop_tokens.clear();
  return bytes;
}

} // namespace mayfly::gpu
