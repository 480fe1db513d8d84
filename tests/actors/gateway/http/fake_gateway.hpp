#pragma once
// A gateway actor that does what a test says, and remembers what sessions told it.
#include "actors/actors.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace mayfly::actors {

/// An output chunk of one choice.
std::shared_ptr<messages::output_chunk const> make_chunk(request_id request, std::uint32_t choice,
                                                         std::string_view text, std::uint32_t tokens = 1);

/// started, the texts as chunks of each choice, finished, complete.
void deliver_answer(generation& request, std::vector<std::string> const& texts);

class fake_gateway {
public:
  using script = std::function<void(std::shared_ptr<generation>)>;

  /// `on_submit` runs on the actor's thread.
  explicit fake_gateway(script on_submit);
  ~fake_gateway();

  gateway_actor const& handle() const noexcept { return handle_; }

  /// Waits for a condition over what was heard; false after ten seconds.
  bool wait(std::function<bool()> const& met);
  void answer_receipts_with(std::function<messages::receipt_answer(find_receipt const&)> answer);
  void find_no_retention();

  // What was heard; read under `wait`, or when no session runs.
  std::vector<std::shared_ptr<generation>> submitted;
  std::vector<request_id> abandoned;
  std::vector<answer_over> over;
  std::uint64_t chunks = 0; ///< of chunks_taken

private:
  void heard(std::function<void()> const& what);
  gateway_actor::behavior_type behave();

  script on_submit_;
  std::function<void(find_receipt const&)> receipts_;
  std::mutex mutex_;
  std::condition_variable changed_;
  caf::actor_system_config configuration_;
  std::unique_ptr<caf::actor_system> system_;
  gateway_actor handle_;
};

} // namespace mayfly::actors
