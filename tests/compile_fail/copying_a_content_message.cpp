// A message that holds content cannot be copied either.
// expect: deleted
#include "protocol/messages/inference.hpp"

#include <utility>

mayfly::messages::infer hand_over(mayfly::messages::infer&& message) {
#ifdef MUST_FAIL
  return static_cast<mayfly::messages::infer const&>(message);
#else
  return std::move(message);
#endif
}
