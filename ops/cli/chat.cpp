#include "actors/api/listing.hpp"
#include "ops/cli/cluster_access.hpp"

#include <boost/json.hpp>
#include <chrono>
#include <csignal>
#include <iostream>
#include <set>
#include <thread>
#include <unistd.h>

namespace mayfly::cli {
namespace {

namespace json = boost::json;

struct turn {
  std::string text;
  std::string request_id;
  int status = 0;
  bool stopped = false; ///< by Ctrl-C
};

/// Ctrl-C since the last question.
std::sig_atomic_t volatile interrupts = 0;

/// In a conversation Ctrl-C ends what is being said, not the conversation; at the prompt, or a second time,
/// it ends that too. The read at the prompt must fail of it: no SA_RESTART.
void follow_interrupts() {
  struct sigaction action{};
  action.sa_handler = [](int) { interrupts = interrupts + 1; };
  sigaction(SIGINT, &action, nullptr);
}

json::object request_of(chat_options const& options, std::string const& model, json::array const& messages) {
  json::object request{{"model", model}, {"messages", messages}, {"stream", true}};
  if (options.max_tokens > 0) request["max_tokens"] = options.max_tokens;
  request["temperature"] = options.temperature >= 0 ? options.temperature : 0.7; // small models ramble at 1
  return request;
}

/// The text of one event, printed as it comes. False ends the stream.
bool print_delta(std::string_view data, turn& answer) {
  if (data == "[DONE]") return false;
  json::error_code problem;
  auto const event = json::parse(json::string_view(data.data(), data.size()), problem);
  if (problem || !event.is_object()) return true;
  if (auto const* failure = event.get_object().if_contains("error");
      failure != nullptr && failure->is_object()) {
    std::cerr << "\nmayfly: " << text_of(failure->get_object(), "message") << '\n';
    answer.status = 1;
    return false;
  }
  auto const* choices = event.get_object().if_contains("choices");
  if (choices == nullptr || !choices->is_array() || choices->get_array().empty()) return true;
  auto const* delta = choices->get_array().front().get_object().if_contains("delta");
  if (delta == nullptr || !delta->is_object()) return true;
  auto const text = text_of(delta->get_object(), "content");
  answer.text += text;
  std::cout << text << std::flush;
  return true;
}

turn ask(http_client& client, chat_options const& options, std::string const& model,
         json::array const& messages) {
  turn answer;
  auto const listen = [&](std::string_view data) { return print_delta(data, answer); };
  auto outcome =
      client.post("/v1/chat/completions", json::serialize(request_of(options, model, messages)), listen);
  std::cout << '\n';
  answer.stopped = !outcome && outcome.failure().code == errc::cancelled;
  if (answer.stopped) return answer;
  if (!outcome)
    answer.status = explain("no answer from " + client.url(), outcome.failure());
  else if (outcome->status != 200)
    answer.status = explain("refused", *outcome);
  else
    answer.request_id = outcome->request_id;
  return answer;
}

/// "1 process", "2 processes"
std::string counted(std::size_t count, std::string_view one, std::string_view several) {
  return std::to_string(count) + " " + std::string(count == 1 ? one : several);
}

/// What became of the shares of so many processes.
std::string fates(std::size_t wiped, std::size_t ended, std::uint64_t bytes) {
  auto const size = std::to_string((bytes + 1023) / 1024) + " KiB of it in all";
  if (ended == 0) return ", " + size + ", and each has wiped its share";
  std::string text = "; ";
  if (wiped != 0) text += counted(wiped, "wiped its share, ", "wiped their shares, ") + size + ", and ";
  return text + counted(ended, "ended, and its memory with it", "ended, and their memory with them");
}

std::string in_a_sentence(messages::receipt const& receipt) {
  if (!receipt.confirmed)
    return "Deletion is not confirmed: a process that held this request has not reported.";
  std::set<node_id> holders, ended;
  std::uint64_t bytes = 0;
  for (auto const& holder : receipt.holders) {
    holders.insert(holder.holder);
    if (holder.state == messages::wipe_state::exited) ended.insert(holder.holder);
    bytes += holder.bytes;
  }
  return "Deletion receipt: " + counted(holders.size(), "process", "processes") + " held this request" +
         fates(holders.size() - ended.size(), ended.size(), bytes) +
         ". Signed; check it with `mayfly receipt verify`.";
}

int show_receipt(http_client& client, std::string const& id) {
  auto const end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  for (;;) {
    auto answer = client.get("/v1/receipts/" + id);
    if (!answer) return explain("no receipt from " + client.url(), answer.failure());
    if (answer->status == 200) {
      auto const receipt = actors::api::parse_receipt(answer->body);
      if (!receipt) return explain("the receipt is not one", receipt.failure());
      std::cout << in_a_sentence(receipt->body) << "\nRequest " << id << '\n';
      return 0;
    }
    if (answer->status != 202) return explain("no receipt", *answer);
    if (std::chrono::steady_clock::now() > end) return explain("the lease is still open", *answer);
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
}

void add_message(json::array& messages, std::string_view role, std::string const& content) {
  messages.push_back(json::object{{"role", role}, {"content", content}});
}

/// Asks, and keeps in `messages` what was said: also of an answer that was stopped.
turn take_turn(http_client& client, chat_options const& options, std::string const& model,
               json::array& messages) {
  interrupts = 0;
  auto answer = ask(client, options, model, messages);
  if (answer.status != 0 || (answer.stopped && answer.text.empty()))
    messages.pop_back();
  else
    add_message(messages, "assistant", answer.text);
  if (answer.stopped)
    std::cout << "(stopped; what was said so far stands. Ctrl-C again ends the conversation)\n";
  else if (options.receipt && answer.status == 0)
    answer.status = show_receipt(client, answer.request_id);
  return answer;
}

int converse(http_client& client, chat_options const& options, listed_model const& model,
             json::array messages) {
  bool const person = isatty(STDIN_FILENO) == 1;
  if (person) {
    std::cout << "Talking to " << model.id
              << (model.demonstration ? ", a demonstration model: it is too small to know much" : "")
              << ". Nothing of this is stored. Ctrl-C stops an answer, Ctrl-D ends.\n";
    follow_interrupts();
    client.cancel_when([] { return interrupts != 0; });
  }
  std::string line;
  int status = 0;
  while ((person && std::cout << "> " << std::flush), std::getline(std::cin, line)) {
    if (line.empty()) continue;
    add_message(messages, "user", line);
    status = take_turn(client, options, model.id, messages).status;
    if (interrupts > 1) break;
  }
  if (person) std::cout << '\n';
  return status;
}

/// The one that was asked for, or the cluster's first.
std::optional<listed_model> choose_model(http_client& client, std::string const& wanted) {
  auto const models = list_models(client);
  if (!models) return std::nullopt;
  for (auto const& model : *models)
    if (wanted.empty() || model.id == wanted) return model;
  if (!wanted.empty()) return listed_model{wanted, false}; // the cluster says what is wrong with it
  std::cerr << "mayfly: " << client.url() << " lists no model: is it a Mayfly cluster?\n";
  return std::nullopt;
}

} // namespace

int chat(chat_options const& options) {
  auto access = find_cluster(options.access);
  if (!access) return 1;
  auto const wanted = options.model.empty() ? access->model : options.model;
  http_client client(std::move(*access));
  auto const model = !wanted.empty() && !options.prompt.empty() ? std::optional(listed_model{wanted, false})
                                                                : choose_model(client, wanted);
  if (!model) return 1;
  json::array messages;
  if (!options.system.empty()) add_message(messages, "system", options.system);
  if (options.prompt.empty()) return converse(client, options, *model, std::move(messages));
  add_message(messages, "user", options.prompt);
  auto const answer = ask(client, options, model->id, messages);
  if (answer.status != 0 || !options.receipt) return answer.status;
  return show_receipt(client, answer.request_id);
}

int receipt_get(access_options const& options, std::string const& id) {
  auto access = find_cluster(options);
  if (!access) return 1;
  http_client client(std::move(*access));
  auto answer = client.get("/v1/receipts/" + id);
  if (!answer) return explain("no receipt from " + client.url(), answer.failure());
  if (answer->status != 200 && answer->status != 202) return explain("no receipt", *answer);
  std::cout << answer->body << '\n';
  return answer->status == 200 ? 0 : 1;
}

} // namespace mayfly::cli
