#include "gpu/collective/seat.hpp"

#include "gpu/collective/nccl/nccl_collective.hpp"

#include "protocol/base/wipe.hpp"

#include <cstring>

namespace mayfly::gpu {

result<ephemeral_bytes> seat::make_meeting() const {
  auto id = nccl::make_unique_id(api_);
  if (!id) return id.failure();
  ephemeral_bytes bytes(std::as_bytes(std::span<char const>(id->bytes)));
  wipe(id->bytes.data(), id->bytes.size());
  return bytes;
}

result<void> seat::meet(std::span<std::byte const> meeting, std::chrono::milliseconds patience,
                        std::function<bool()> given_up) {
  nccl_options options;
  if (meeting.size() != options.id.bytes.size())
    return error{errc::malformed, "ranks cannot meet by this (bytes)",
                 static_cast<std::int64_t>(meeting.size())};
  std::memcpy(options.id.bytes.data(), meeting.data(), meeting.size());
  options.rank = rank_;
  options.size = size_;
  options.patience = patience;
  options.stream = stream_;
  options.given_up = std::move(given_up);
  options.on_hang = end_process_;
  options.zeros = zeros_;
  auto formed = make_nccl_collective(api_, options);
  wipe(options.id.bytes.data(), options.id.bytes.size());
  if (!formed) return formed.failure();
  take(std::move(*formed));
  return {};
}

} // namespace mayfly::gpu
