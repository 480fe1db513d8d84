#pragma once
// What ingress sessions may know of the gateway without asking it.
#include "protocol/base/ids.hpp"
#include "protocol/base/name.hpp"

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

namespace mayfly::actors {

/// A model that linked workers serve now.
struct linked_model {
  name model;
  std::uint32_t workers = 0;        ///< that are linked and not draining
  std::uint32_t context_tokens = 0; ///< the largest of them
  friend bool operator==(linked_model const&, linked_model const&) = default;
};

/// One consistent picture.
struct gateway_snapshot {
  retention_id retention; ///< goes into new request ids; none: no retention peer is linked
  bool ready = false;     ///< scheduler, retention and a worker for every model of the catalogue are linked
  bool draining = false;
  std::vector<linked_model> models; ///< by name, ascending
  friend bool operator==(gateway_snapshot const&, gateway_snapshot const&) = default;
};

/// Written by the gateway's actor, read by any thread.
class gateway_view {
public:
  std::shared_ptr<gateway_snapshot const> read() const {
    std::lock_guard const lock(mutex_);
    return now_;
  }
  void publish(gateway_snapshot snapshot) {
    std::lock_guard const lock(mutex_);
    if (*now_ != snapshot) now_ = std::make_shared<gateway_snapshot const>(std::move(snapshot));
  }

  /// Requests whose session has not yet said that all is over and wiped.
  std::atomic<std::size_t> open_requests{0};
  /// Of the request log: records lost.
  std::atomic<std::uint64_t> log_records_lost{0};

private:
  mutable std::mutex mutex_;
  std::shared_ptr<gateway_snapshot const> now_ = std::make_shared<gateway_snapshot const>();
};

} // namespace mayfly::actors
