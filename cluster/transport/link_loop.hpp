#pragma once
// The link thread: waits for every socket of the node at once, and does what they and the outbox say.
#include "cluster/transport/acceptor.hpp"

namespace mayfly::cluster {

class link_loop {
public:
  link_loop(link_context const& context, transport_options const& options, link_listener& listener,
            trust_set const& trust, std::shared_ptr<outbox> out);

  /// Errors: io. Called before `run`; nothing to do where nothing is to be bound.
  result<void> bind();
  name const& endpoint() const noexcept { return endpoint_; }

  /// Until `stop`; then what is queued has 200 ms to leave.
  void run();

  // By order of the outbox, in the link thread:
  void dial(dial_number number, dial_request request);
  void hang_up(dial_number number);
  link_protocol& protocol() noexcept { return protocol_; }
  void open() noexcept { open_ = true; }
  void stop() noexcept { stopping_ = true; }

private:
  void turn();
  void wait();
  std::vector<zmq_pollitem_t> items() const;
  void take_outbox();
  void receive();
  void receive(dialled_session& from, int most);
  void watch(dialled_session& one);
  void take_event(dialled_session& one, socket_event const& event);
  void beat_if_due();
  void flush();
  dialled_session* dialled(session_number number) const noexcept;

  link_context const& context_;
  transport_options const& options_;
  link_listener& listener_;
  std::shared_ptr<outbox> out_;
  link_protocol protocol_;
  std::optional<acceptor> acceptor_;
  name endpoint_;
  std::vector<session_number> dialled_;
  std::vector<outbox::addressed_frame> frames_;
  std::vector<outbox::order> orders_;
  boot_clock::time_point next_beat_{};
  bool open_ = false;
  bool stopping_ = false;
};

} // namespace mayfly::cluster
