// Only kinds of the catalogue travel.
// expect: (no type named .type.|no type named)
#include "protocol/msgpack/envelope.hpp"

using namespace mayfly;

struct stowaway {
  std::uint64_t value = 0;
  static constexpr auto fields = messages::field_list(messages::field{1, "value", &stowaway::value});
};

#ifdef MUST_FAIL
using cargo = stowaway;
#else
using cargo = messages::heartbeat;
#endif
ephemeral_bytes send() { return wire::encode_envelope({}, cargo{}); }
