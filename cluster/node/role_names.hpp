#pragma once
#include "protocol/messages/link.hpp"

#include <string_view>

namespace mayfly::node {

/// How roles are spelt in configurations and in status.
struct role_name {
  messages::role role;
  std::string_view text;
};
inline constexpr role_name role_names[] = {
    {messages::role::gateway, "gateway"},       {messages::role::scheduler, "scheduler"},
    {messages::role::worker, "worker"},         {messages::role::retention, "retention"},
    {messages::role::operations, "operations"}, {messages::role::supervisor, "supervisor"},
    {messages::role::shard, "shard"},
};

} // namespace mayfly::node
