// An account's id is no node's.
// expect: (could not convert|no viable conversion|conversion from)
#include "protocol/base/ids.hpp"

mayfly::node_id holder([[maybe_unused]] mayfly::account_id account, [[maybe_unused]] mayfly::node_id node) {
#ifdef MUST_FAIL
  return account;
#else
  return node;
#endif
}
