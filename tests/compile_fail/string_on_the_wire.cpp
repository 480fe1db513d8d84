// The codec has no encoding for std::string, so that marking a message ephemeral does not let one through.
// expect: no field of a message may be of this type
#include "protocol/msgpack/codec.hpp"

#include <string>

using namespace mayfly;
using namespace mayfly::messages;

struct chatty {
#ifdef MUST_FAIL
  std::string words;
#else
  ephemeral_text words;
#endif
  static constexpr auto fields = field_list(field{1, "words", &chatty::words});
};

void send(chatty const& message, ephemeral_bytes& out) { wire::encode(message, out); }
