#pragma once
// How a client command finds its cluster and says what went wrong.
#include "ops/cli/commands.hpp"
#include "ops/cli/http_client.hpp"

#include <boost/json/object.hpp>
#include <optional>
#include <vector>

namespace mayfly::cli {

/// From --url and MAYFLY_API_KEY, or from cluster.json. Says on standard error what is missing.
std::optional<cluster_access> find_cluster(access_options const& options);

/// A string member, or the empty string.
std::string text_of(boost::json::object const& object, std::string_view key);

struct listed_model {
  std::string id;
  bool demonstration = false;
};
/// /v1/models. Says on standard error why there is no list.
std::optional<std::vector<listed_model>> list_models(http_client& client);

/// "2026-01-31 23:59:59 UTC"
std::string clock_text(std::int64_t unix_ms);

/// Prints what failed; returns exit status 1.
int explain(std::string_view what, http_answer const& answer);
int explain(std::string_view what, error const& failure);

} // namespace mayfly::cli
