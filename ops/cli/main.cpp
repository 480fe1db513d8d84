// `mayfly`: the one binary. Commands are declared here and done in the files beside it.
#include "ops/cli/commands.hpp"
#include "ops/cli/completion.hpp"
#include "ops/cli/unknown_words.hpp"
#include "protocol/crypto/initialise.hpp"

#include <CLI/CLI.hpp>
#include <functional>
#include <iostream>

namespace {

using namespace mayfly;

/// What a parsed command line asks for.
using action = std::function<int()>;

struct command_line {
  CLI::App app{
      "Mayfly: a private LLM inference cluster that forgets.\n\n"
      "Prompts and answers live in memory only and only while a request runs; every request ends with a\n"
      "signed deletion receipt. Start with `mayfly up --model FILE.gguf`."};
  action run;
  std::filesystem::path directory = "var";
  std::filesystem::path file;
  std::filesystem::path receipts = "-";
  cli::up_options up;
  std::string listen, worker_host, region;
  cli::chat_options chat;
  cli::access_options access;
  std::string label, key, id, signer, shell;
  bool json = false, watch = false;
};

CLI::App* add(CLI::App& parent, std::string const& name, std::string const& help, command_line& line,
              action run) {
  auto* command = parent.add_subcommand(name, help);
  command->final_callback([&line, run = std::move(run)] { line.run = run; });
  return command;
}

void with_directory(CLI::App* command, std::filesystem::path& directory) {
  command->add_option("--directory", directory, "where the cluster keeps its state")
      ->type_name("FOLDER")
      ->capture_default_str();
}

/// What a number may be, in words: CLI11's own say neither of which value they speak nor of which option.
CLI::Validator from(double low, double high) {
  auto const number = [](double value) { return std::to_string(static_cast<std::int64_t>(value)); };
  auto const must = high >= 0x7FFFFFFF ? "must be at least " + number(low)
                                       : "must lie between " + number(low) + " and " + number(high);
  return {[=](std::string& given) {
            double value = 0;
            bool const is_number = CLI::detail::lexical_cast(given, value);
            return is_number && value >= low && value <= high ? std::string() : must + ", not " + given;
          },
          ""};
}

/// Names that the command line gives as text; false (with a sentence) where one is not a name.
bool take_name(std::string const& text, name& into) {
  if (text.empty()) return true;
  auto parsed = name::parse(text);
  if (parsed)
    into = std::move(*parsed);
  else
    std::cerr << "mayfly: \"" << text << "\" is not a name: letters, digits and ._:/@+*- only\n";
  return parsed.has_value();
}

int run_up(command_line& line) {
  auto& cluster = line.up.cluster;
  auto const endpoint =
      line.listen.empty() || line.listen.starts_with("tcp://") ? line.listen : "tcp://" + line.listen;
  if (!take_name(endpoint, cluster.listen) || !take_name(line.worker_host, cluster.worker_host) ||
      !take_name(line.region, cluster.region))
    return 2;
  return cli::up(std::move(line.up));
}

void declare_up(command_line& line) {
  auto& cluster = line.up.cluster;
  auto* up =
      add(line.app, "up", "run a whole cluster on this machine (until `mayfly stop`, SIGTERM or Ctrl-C)",
          line, [&line] { return run_up(line); });
  with_directory(up, cluster.directory);
  up->add_option("--config", line.up.configuration,
                 "cluster configuration (TOML); what stands on the command line counts over it")
      ->type_name("FILE");
  up->add_option("--model", line.up.models, "GGUF file to serve; repeat for several")->type_name("FILE");
  up->add_option("--tensor-parallel", cluster.tensor_parallel,
                 "split each worker's models over this many ranks, a process each")
      ->type_name("RANKS")
      ->check(from(1, 16));
  up->add_option("--workers", cluster.workers, "worker processes")
      ->check(from(0, 1024))
      ->capture_default_str();
  up->add_option("--threads", cluster.threads_per_worker,
                 "threads of each worker or rank (0: share out the processors)");
  up->add_option("--address", cluster.http.address, "HTTP address; beyond loopback only with --tls")
      ->capture_default_str();
  up->add_option("--port", cluster.http.port, "HTTP port (0: any free one)")->capture_default_str();
  up->add_option("--admin-port", cluster.http.admin_port, "loopback port of /metrics (0: any free one)");
  up->add_flag("--tls", cluster.http.tls, "TLS 1.3; self-signed unless a certificate is given");
  up->add_option("--certificate", cluster.http.certificate, "PEM certificate chain")->type_name("FILE");
  up->add_option("--private-key", cluster.http.private_key, "PEM private key")->type_name("FILE");
  up->add_flag("--split", cluster.split, "every role in a process of its own, and two gateways");
  up->add_option("--listen", line.listen,
                 "HOST:PORT where other hosts may join (default: loopback, any port)");
  up->add_option("--worker-host", line.worker_host,
                 "address that this host's workers bind (default 127.0.0.1)");
  up->add_option("--region", line.region, "the region of this host's nodes");
  up->add_option("--join", line.up.join, "HOST:PORT@KEY of another host's seed: run workers for its cluster");
}

void declare_running(command_line& line) {
  auto* node = add(line.app, "node", "host the roles of a configuration file in this process", line,
                   [&line] { return cli::node(line.file); });
  node->add_option("--config", line.file, "mayfly.toml")->type_name("FILE")->required();
  with_directory(
      add(line.app, "stop", "drain and end the cluster", line, [&line] { return cli::stop(line.directory); }),
      line.directory);
  auto* status = add(line.app, "status", "nodes, workers, leases open, tokens a second", line,
                     [&line] { return cli::status(line.directory, line.json, line.watch); });
  with_directory(status, line.directory);
  status->add_flag("--json", line.json, "as JSON");
  status->add_flag("--watch", line.watch, "again every second");
}

void with_access(CLI::App* command, cli::access_options& access) {
  command->add_option("--directory", access.directory, "cluster whose cluster.json to use")
      ->type_name("FOLDER")
      ->capture_default_str();
  command->add_option("--url", access.url, "another cluster; its key in MAYFLY_API_KEY");
  command->add_option("--certificate", access.certificate, "PEM certificate to trust")->type_name("FILE");
}

void declare_chat(command_line& line) {
  auto* chat = add(line.app, "chat", "talk to a model; answers stream into the terminal", line,
                   [&line] { return cli::chat(line.chat); });
  with_access(chat, line.chat.access);
  chat->add_option("prompt", line.chat.prompt, "one question; without it, a conversation");
  chat->add_option("--system", line.chat.system, "system message");
  chat->add_option("--model", line.chat.model, "model (default: the cluster's first)");
  chat->add_option("--max-tokens", line.chat.max_tokens, "longest answer")->check(from(1, 0x7FFFFFFF));
  chat->add_option("--temperature", line.chat.temperature, "sampling temperature (0: greedy; default 0.7)")
      ->check(from(0, 2));
  chat->add_flag("--receipt", line.chat.receipt, "wait for the deletion receipt and say what it proves");
}

void declare_keys(command_line& line) {
  auto* keys =
      line.app.add_subcommand("keys", "keys of hosts: who may join this cluster")->require_subcommand(1);
  with_directory(
      add(*keys, "show", "this host's public key", line, [&line] { return cli::keys_show(line.directory); }),
      line.directory);
  with_directory(add(*keys, "list", "trusted keys", line, [&line] { return cli::keys_list(line.directory); }),
                 line.directory);
  auto* trust = add(*keys, "trust", "let the host with this key join; works within a second", line,
                    [&line] { return cli::keys_trust(line.directory, line.label, line.key); });
  with_directory(trust, line.directory);
  trust->add_option("name", line.label, "what to call it")->required();
  trust->add_option("key", line.key, "64 hexadecimal digits: its `mayfly keys show`")->required();
  auto* revoke = add(*keys, "revoke", "trust a key no longer; its links close within a second", line,
                     [&line] { return cli::keys_revoke(line.directory, line.label); });
  with_directory(revoke, line.directory);
  revoke->add_option("name", line.label)->required();
  auto* make = add(*keys, "make", "a key pair for `mayfly node`: the secret into FILE (0600)", line,
                   [&line] { return cli::keys_make(line.file); });
  make->add_option("file", line.file)->type_name("FILE")->required();
}

void declare_api_keys(command_line& line) {
  auto* keys = line.app.add_subcommand("apikey", "API keys of clients")->require_subcommand(1);
  auto* made = add(*keys, "add", "a new account with one key, printed once; works within a second", line,
                   [&line] { return cli::apikey_add(line.directory, line.label); });
  with_directory(made, line.directory);
  made->add_option("name", line.label, "the account")->required();
  with_directory(
      add(*keys, "list", "accounts with a key", line, [&line] { return cli::apikey_list(line.directory); }),
      line.directory);
  auto* revoke = add(*keys, "revoke", "end an account's keys; works within a second", line,
                     [&line] { return cli::apikey_revoke(line.directory, line.label); });
  with_directory(revoke, line.directory);
  revoke->add_option("name", line.label)->required();
}

void declare_receipts(command_line& line) {
  auto* receipt = line.app.add_subcommand("receipt", "deletion receipts")->require_subcommand(1);
  auto* get = add(*receipt, "get", "fetch a request's receipt as JSON", line,
                  [&line] { return cli::receipt_get(line.access, line.id); });
  with_access(get, line.access);
  get->add_option("id", line.id, "completion id or request id")->required();
  auto* verify =
      add(*receipt, "verify", "check a receipt's signature offline; several in a file: their chain too", line,
          [&line] { return cli::receipt_verify(line.receipts, line.signer); });
  verify->add_option("file", line.receipts, "JSON, one receipt or one a line (-: standard input)")
      ->type_name("FILE")
      ->capture_default_str();
  verify->add_option("--signer", line.signer, "the key that must have signed (64 hexadecimal digits)");
  for (auto* command : {get, verify})
    command->footer("Through a pipe: mayfly receipt get ID | mayfly receipt verify");
}

void declare_completion(command_line& line) {
  auto* completion =
      add(line.app, "completion", "print a shell's completion script: source <(mayfly completion bash)", line,
          [&line] {
            std::cout << cli::completion_script(line.app, line.shell);
            return 0;
          });
  completion->add_option("shell", line.shell)->required()->check(CLI::IsMember({"bash", "zsh", "fish"}));
}

int refuse(command_line const& line, CLI::ParseError const& problem, std::vector<std::string> const& words) {
  auto const unknown = cli::unknown_word(line.app, words);
  std::cerr << "mayfly: " << (unknown ? *unknown : std::string(problem.what())) << '\n';
  return 2;
}

} // namespace

int main(int count, char** arguments) {
  if (!crypto::initialise()) {
    std::cerr << "mayfly: libsodium could not start\n";
    return 1;
  }
  command_line line;
  line.app.set_version_flag("--version", MAYFLY_VERSION);
  line.app.require_subcommand(1);
  declare_up(line);
  declare_running(line);
  declare_chat(line);
  declare_keys(line);
  declare_api_keys(line);
  declare_receipts(line);
  declare_completion(line);
  try {
    line.app.parse(count, arguments);
    if (!line.up.configuration.empty()) {
      if (int const status = cli::read_configuration(line.up); status != 0) return status;
      line.app.parse(count, arguments); // once more, over what the file says
    }
  } catch (CLI::ParseError const& problem) {
    if (problem.get_exit_code() == 0) return line.app.exit(problem); // --help and --version
    return refuse(line, problem, {arguments + 1, arguments + count});
  }
  return line.run();
}
