#pragma once
// CURVE fails open: without a working ZAP handler it accepts every key. So a node tries its own door first.
#include "cluster/transport/socket.hpp"

namespace mayfly::cluster {

/// Connects with a random key and waits to be refused. Errors: untrusted (let in, or not refused within
/// `patience`), io.
result<void> refuses_strangers(link_context const& context, std::string const& endpoint,
                               messages::bytes32 const& server_key, std::chrono::milliseconds patience);

} // namespace mayfly::cluster
