#include "ops/cli/cluster_access.hpp"

#include <boost/json.hpp>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iostream>
#include <sstream>

namespace mayfly::cli {

std::string text_of(boost::json::object const& object, std::string_view key) {
  auto const* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

std::string clock_text(std::int64_t unix_ms) {
  std::time_t const seconds = unix_ms / 1000;
  std::tm calendar{};
  gmtime_r(&seconds, &calendar);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &calendar)};
}

std::optional<cluster_access> find_cluster(access_options const& options) {
  if (!options.url.empty()) {
    char const* key = std::getenv("MAYFLY_API_KEY");
    if (key == nullptr) std::cerr << "mayfly: --url needs the key in the environment: MAYFLY_API_KEY\n";
    if (key == nullptr) return std::nullopt;
    return cluster_access{base_url(options.url), key, options.certificate, {}};
  }
  std::ifstream file(options.directory / "cluster.json");
  std::stringstream text;
  text << file.rdbuf();
  boost::json::error_code problem;
  auto const parsed = boost::json::parse(text.str(), problem);
  if (!file || problem || !parsed.is_object()) {
    std::cerr << "mayfly: no cluster runs here (" << (options.directory / "cluster.json").native()
              << " is missing): start one with ops/up\n";
    return std::nullopt;
  }
  auto const& object = parsed.get_object();
  cluster_access access{text_of(object, "url"), text_of(object, "api_key"), text_of(object, "certificate"),
                        text_of(object, "model")};
  if (!options.certificate.empty()) access.certificate = options.certificate;
  return access;
}

std::optional<std::vector<listed_model>> list_models(http_client& client) {
  auto const answer = client.get("/v1/models");
  if (!answer) explain("no answer from " + client.url(), answer.failure());
  if (!answer) return std::nullopt;
  if (answer->status != 200) explain("refused", *answer);
  if (answer->status != 200) return std::nullopt;
  std::vector<listed_model> models;
  boost::json::error_code problem;
  auto const parsed = boost::json::parse(answer->body, problem);
  auto const* data = !problem && parsed.is_object() ? parsed.get_object().if_contains("data") : nullptr;
  if (data == nullptr || !data->is_array()) return models;
  for (auto const& entry : data->get_array()) {
    if (!entry.is_object()) continue;
    auto const* demonstration = entry.get_object().if_contains("demonstration");
    models.push_back({text_of(entry.get_object(), "id"),
                      demonstration != nullptr && *demonstration == boost::json::value(true)});
  }
  return models;
}

int explain(std::string_view what, http_answer const& answer) {
  boost::json::error_code problem;
  auto const parsed = boost::json::parse(answer.body, problem);
  std::string message = "status " + std::to_string(answer.status);
  if (!problem && parsed.is_object())
    if (auto const* error = parsed.get_object().if_contains("error"); error != nullptr && error->is_object())
      message = text_of(error->get_object(), "message");
  std::cerr << "mayfly: " << what << ": " << message << '\n';
  return 1;
}

int explain(std::string_view what, error const& failure) {
  std::cerr << "mayfly: " << what << ": " << in_words(failure) << '\n';
  return 1;
}

} // namespace mayfly::cli
