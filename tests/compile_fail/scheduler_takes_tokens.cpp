// Token ids are content too: a scheduler cannot be told them.
// expect: this message can hold content: mark it ephemeral
#include "protocol/messages/catalogue.hpp"

using namespace mayfly;
using namespace mayfly::messages;

struct prefix_placement_request {
#ifdef MUST_FAIL
  ephemeral_tokens prefix;
#else
  std::vector<std::uint64_t> prefix; // keyed digests
#endif
  static constexpr auto fields = field_list(field{1, "prefix", &prefix_placement_request::prefix});
};

static_assert(kind_entry<prefix_placement_request, 902, retention_class::metadata>::number == 902);
