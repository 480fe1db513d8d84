#pragma once
// A supervisor's voice: tells the seeds who its children are, and hears from them who is in the cluster. No
// actors; rides on its transport's own thread.
#include "cluster/membership/membership.hpp"

namespace mayfly::cluster {

struct announcer_options {
  node_id supervisor;
  messages::bytes32 public_key{};
  ephemeral_bytes secret_key; ///< CURVE, 32 bytes
  std::vector<seed_address> seeds;
  std::chrono::milliseconds interval{1000};
  /// Called by the link thread: queue and return.
  std::function<void(messages::member_view const&)> on_view;
};

class announcer {
public:
  /// Errors: those of transport::start.
  static result<std::unique_ptr<announcer>> start(announcer_options options);
  /// Nothing is called back afterwards.
  ~announcer();
  announcer(announcer const&) = delete;
  announcer& operator=(announcer const&) = delete;

  /// Tells every linked seed at once, and again each interval and whenever a seed is reached. `supervisor` is
  /// filled in. Thread-safe.
  void announce(messages::announcement word);
  std::size_t linked_seeds() const;

private:
  class voice;
  announcer();
  std::shared_ptr<voice> voice_;
  std::unique_ptr<transport> links_;
};

} // namespace mayfly::cluster
