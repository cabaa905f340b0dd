// renderyard: the command line. Submits and watches jobs over the gateway, manages instances over the bridge,
// acts by hand over the dispatcher.
#include <curl/curl.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "cli/instance_commands.h"
#include "cli/jobs_commands.h"
#include "cli/operator_commands.h"

namespace {

using namespace renderyard;

struct Arguments {
  cli::Connection connection;
  cli::ServicePeer bridge{"127.0.0.1:7412", {}, {}};
  cli::SubmitCommand submit;
  std::string job;
  std::string status;
  std::string directory;
  int limit = 100;
  bool json = false;
  std::string instance;
  cli::InstanceSettings settings;
  bool with_removed = false;
  cli::ServicePeer dispatcher{"127.0.0.1:7411", {}, {}};
  std::string tls_ca, service_token_file;
  cli::OperatorArguments by;
  std::int64_t job_number = 0;
  std::string ran;
  int slot = 0;
  int actions = 100;
};

void declare_submit(CLI::App& app, Arguments& a, std::function<int()>& run) {
  auto* submit = app.add_subcommand("submit", "Submit a workflow");
  submit
      ->add_option("file", a.submit.file,
                   "A workflow in ComfyUI's API format, or a whole job body; - is standard input")
      ->required();
  submit->add_flag("--watch", a.submit.watch, "Show the progress until all jobs have ended; 0 only if all completed");
  submit->add_option("--out", a.submit.out, "Wait, then save the outputs into this directory and check them");
  submit->add_option("--jobs", a.submit.job.jobs, "Submit so many, each with other seeds")->check(CLI::Range(1, 10000));
  submit->add_option("--seed", a.submit.job.seed, "First value for every seed input");
  submit->add_option("--priority", a.submit.job.priority, "-10 (last) to 10 (first)");
  submit->add_option("--type", a.submit.job.job_type, "The job type, image_generation if the file has none");
  submit->add_option("--name", a.submit.job.name, "A name for the list of jobs");
  submit->add_option("--idempotency-key", a.submit.idempotency_key,
                     "The same key makes the same job, however often sent");
  submit->add_flag("--json", a.submit.json, "Print the gateway's answers instead of text");
  submit->callback([&] { run = [&] { return cli::submit(a.connection, a.submit); }; });
}

void declare_jobs(CLI::App& app, Arguments& a, std::function<int()>& run) {
  auto* status = app.add_subcommand("status", "Print a job as JSON");
  status->add_option("id", a.job, "Number or UUID")->required();
  status->callback([&] { run = [&] { return cli::show_job(a.connection, a.job); }; });

  auto* list = app.add_subcommand("list", "List jobs, newest first");
  list->add_option("--status", a.status, "Only these")
      ->check(CLI::IsMember({"pending", "running", "completed", "failed", "cancelled"}));
  list->add_option("--limit", a.limit, "At most so many")->check(CLI::Range(1, 500));
  list->add_flag("--json", a.json, "As JSON");
  list->callback([&] { run = [&] { return cli::list_jobs(a.connection, a.status, a.limit, a.json); }; });

  auto* cancel = app.add_subcommand("cancel", "Wish that a job be cancelled");
  cancel->add_option("id", a.job, "Number or UUID")->required();
  cancel->callback([&] { run = [&] { return cli::cancel_job(a.connection, a.job); }; });

  auto* outputs = app.add_subcommand("outputs", "Save the outputs of a job and check them");
  outputs->add_option("id", a.job, "Number or UUID")->required();
  outputs->add_option("--out", a.directory, "Directory")->required();
  outputs->callback([&] { run = [&] { return cli::save_outputs(a.connection, a.job, a.directory); }; });
}

void declare_settings(CLI::App& command, cli::InstanceSettings& settings) {
  const auto yes_no = CLI::IsMember({"yes", "no"});
  command.add_option("--slots", settings.slots, "Executions at a time")->check(CLI::Range(1, 8));
  command.add_option("--access-file", settings.access_file,
                     "File with the credentials for the instance as JSON; - is standard input");
  command.add_option("--behind-proxy", settings.behind_proxy, "A proxy stands before it that may deliver late")
      ->check(yes_no);
  command
      .add_option("--unique-prefix", settings.unique_prefix, "Give the files of every execution a prefix of its own")
      ->check(yes_no);
  command.add_option("--shared", settings.shared, "Others use it too: interrupt nothing that could be theirs")
      ->check(yes_no);
}

void declare_instances(CLI::App& app, Arguments& a, std::function<int()>& run) {
  auto* instance = app.add_subcommand("instance", "Manage ComfyUI instances");
  instance->require_subcommand(1);
  auto* add = instance->add_subcommand("add", "Add an instance, or enable it again");
  add->add_option("name", a.instance, "Unique name")->required();
  add->add_option("url", a.settings.url, "http://host:port or https://host/base/path")->required();
  declare_settings(*add, a.settings);
  add->callback([&] { run = [&] { return cli::add_instance(a.bridge, a.instance, a.settings); }; });

  auto* change = instance->add_subcommand("change", "Change what is given, at once");
  change->add_option("name", a.instance, "Its name")->required();
  change->add_option("--url", a.settings.url, "Another server; what lives on the old one is followed to its end");
  declare_settings(*change, a.settings);
  change->add_flag("--no-access", a.settings.no_access, "It needs no credentials (any more)")
      ->excludes("--access-file");
  change->callback([&] { run = [&] { return cli::change_instance(a.bridge, a.instance, a.settings); }; });

  auto* list = instance->add_subcommand("list", "List instances");
  list->add_flag("--removed", a.with_removed, "Also removed ones whose executions are still followed");
  list->callback([&] { run = [&] { return cli::list_instances(a.bridge, a.with_removed); }; });
  auto* show = instance->add_subcommand("get", "Show one instance");
  show->add_option("name", a.instance, "Its name")->required();
  show->callback([&] { run = [&] { return cli::show_instance(a.bridge, a.instance); }; });

  struct Action {
    const char* name;
    const char* what;
    cli::InstanceAction action;
  };
  for (const Action& one :
       {Action{"enable", "Let it work again", cli::InstanceAction::kEnable},
        Action{"disable", "No new work; disconnect when what lives there has ended", cli::InstanceAction::kDisable},
        Action{"drain", "No new work; stay connected", cli::InstanceAction::kDrain},
        Action{"undrain", "Let it have work again", cli::InstanceAction::kUndrain},
        Action{"release", "End its quarantine and close its circuit", cli::InstanceAction::kRelease},
        Action{"remove", "No new work; forget it when what lives there has ended", cli::InstanceAction::kRemove}}) {
    auto* command = instance->add_subcommand(one.name, one.what);
    command->add_option("name", a.instance, "Its name")->required();
    const cli::InstanceAction action = one.action;
    command->callback(
        [&a, &run, action] { run = [&a, action] { return cli::act_on_instance(a.bridge, a.instance, action); }; });
  }
}

void declare_operator(CLI::App& app, Arguments& a, std::function<int()>& run) {
  auto* hand =
      app.add_subcommand("operator", "Act by hand where no service can go on by itself; all of it is recorded");
  hand->require_subcommand(1);
  a.by.who = cli::login_name();
  const auto sign = [&a](CLI::App& command) {
    command.add_option("--as", a.by.who, "Who you are")->capture_default_str();
    command.add_option("--why", a.by.why, "Why; it is recorded, and shown where the action is")->required();
  };
  const auto job = [&a](CLI::App& command) {
    return command.add_option("job", a.job_number, "The job's number")->check(CLI::PositiveNumber);
  };
  auto* note = hand->add_subcommand("note", "Note whether the prompt of a job that failed as submission_unclear ran");
  job(*note)->required();
  note->add_option("ran", a.ran, "ran, or not-ran")->required()->check(CLI::IsMember({"ran", "not-ran"}));
  sign(*note);
  note->callback([&] { run = [&] { return cli::note_job(a.dispatcher, a.job_number, a.ran == "ran", a.by); }; });

  auto* give_up = hand->add_subcommand("give-up", "End the live execution of a job: it fails as given_up_by_operator");
  job(*give_up)->required();
  sign(*give_up);
  give_up->callback([&] { run = [&] { return cli::give_up(a.dispatcher, a.job_number, a.by); }; });

  auto* free_slot = hand->add_subcommand("free-slot", "Free a slot whose execution has ended");
  free_slot->add_option("instance", a.instance, "The instance's name")->required();
  free_slot->add_option("slot", a.slot, "From 0")->required()->check(CLI::NonNegativeNumber);
  sign(*free_slot);
  free_slot->callback([&] { run = [&] { return cli::free_slot(a.dispatcher, a.instance, a.slot, a.by); }; });

  auto* list = hand->add_subcommand("list", "What operators did, newest first");
  job(*list);
  list->add_option("--limit", a.actions, "At most so many")->check(CLI::Range(1, 1000));
  list->callback([&] {
    run = [&] {
      const auto of_job = a.job_number > 0 ? std::optional(a.job_number) : std::nullopt;
      return cli::list_actions(a.dispatcher, of_job, a.actions);
    };
  });
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  std::function<int()> run;
  CLI::App app("Runs ComfyUI workflows on a fleet, dependably.", "renderyard");
  app.require_subcommand(1);
  app.add_option("--gateway", arguments.connection.gateway, "Address of the gateway, http://host:port")
      ->envname("RENDERYARD_GATEWAY")
      ->capture_default_str();
  app.add_option("--token-file", arguments.connection.token_file, "File that holds your token")
      ->envname("RENDERYARD_TOKEN_FILE");
  app.add_option("--bridge", arguments.bridge.address, "gRPC address of a bridge, for `instance`")
      ->envname("RENDERYARD_BRIDGE")
      ->capture_default_str();
  app.add_option("--dispatcher", arguments.dispatcher.address, "gRPC address of a dispatcher, for `operator`")
      ->envname("RENDERYARD_DISPATCHER")
      ->capture_default_str();
  app.add_option("--tls-ca", arguments.tls_ca,
                 "PEM file of the authority that bridges and dispatchers have certificates of")
      ->envname("RENDERYARD_TLS_CA");
  app.add_option("--service-token-file", arguments.service_token_file, "The services' token, when they ask for one")
      ->envname("RENDERYARD_SERVICE_TOKEN_FILE");
  declare_submit(app, arguments, run);
  declare_jobs(app, arguments, run);
  declare_instances(app, arguments, run);
  declare_operator(app, arguments, run);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? 0 : 2;
  }
  for (cli::ServicePeer* peer : {&arguments.bridge, &arguments.dispatcher}) {
    peer->tls_ca = arguments.tls_ca;
    peer->service_token_file = arguments.service_token_file;
  }
  curl_global_init(CURL_GLOBAL_DEFAULT);
  const int code = run();
  curl_global_cleanup();
  return code;
}
