#pragma once
// Connects ranks of several hosts on a thread of its own: a supervisor never waits for another host.
#include "cluster/node/rank_sockets.hpp"
#include "protocol/messages/rank_hosts.hpp"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>

namespace mayfly::node {

/// What became of one call to meet.
struct rank_connection {
  messages::ranks_meet meeting;
  result<std::vector<std::vector<owned_descriptor>>> seats; ///< see rank_sockets::connect
};

class rank_connector {
public:
  explicit rank_connector(rank_sockets sockets);
  ~rank_connector();
  rank_connector(rank_connector const&) = delete;
  rank_connector& operator=(rank_connector const&) = delete;

  /// One after the other, in this order.
  void connect(messages::ranks_meet meeting);
  /// The next that is done, if any is.
  std::optional<rank_connection> take();

private:
  void loop();

  rank_sockets sockets_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<messages::ranks_meet> wanted_;
  std::deque<rank_connection> done_;
  bool stopping_ = false;
  std::thread thread_;
};

} // namespace mayfly::node
