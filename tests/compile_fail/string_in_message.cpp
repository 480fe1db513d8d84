// A std::string is neither metadata nor ephemeral: no message of a metadata kind has one.
// expect: a metadata message consists of the closed list of metadata types
#include "protocol/messages/catalogue.hpp"

#include <string>

using namespace mayfly;
using namespace mayfly::messages;

struct chatty {
#ifdef MUST_FAIL
  std::string model;
#else
  name model;
#endif
  static constexpr auto fields = field_list(field{1, "model", &chatty::model});
};

static_assert(kind_entry<chatty, 903, retention_class::metadata>::number == 903);
