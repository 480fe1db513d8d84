#pragma once
// An ingress on a free port with a fake gateway behind it.
#include "actors/gateway/http/ingress.hpp"
#include "fake_gateway.hpp"
#include "raw_client.hpp"

namespace mayfly::actors {

/// Knows one key, "mf-test".
class one_account final : public accounts::account_directory {
public:
  std::optional<accounts::account> find(std::string_view key) const override {
    if (key != "mf-test") return std::nullopt;
    return accounts::account{{42}, *name::parse("tester")};
  }
};

/// One model, "tiny", also called "small"; "org/other" beside it.
api::model_catalogue test_catalogue();

/// Collects records.
class kept_log final : public request_log {
public:
  void append(request_record record) override {
    {
      std::scoped_lock guard(mutex_);
      records_.push_back(std::move(record));
    }
    changed_.notify_all();
  }
  void flush() override {}
  std::uint64_t dropped() const noexcept override { return 0; }
  /// The records once there are `count`, or after ten seconds.
  std::vector<request_record> wait(std::size_t count) {
    std::unique_lock guard(mutex_);
    changed_.wait_for(guard, std::chrono::seconds(10), [&] { return records_.size() >= count; });
    return records_;
  }

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<request_record> records_;
};

struct server {
  explicit server(fake_gateway::script on_submit, http::ingress_options options = {});

  std::uint16_t port() const { return running->port(); }
  /// Sends one request on a connection of its own.
  raw_response ask(std::string_view request) const;

  one_account accounts;
  api::model_catalogue models = test_catalogue();
  kept_log log;
  std::atomic<bool> ready{true};
  fake_gateway gateway;
  std::unique_ptr<http::ingress> running; ///< stops before the gateway goes
};

/// A minimal chat body; `more` begins with a comma.
std::string chat_body(std::string_view more = "");

} // namespace mayfly::actors
