renderyard_library(renderyard_testing_fakes OPTIMIZED
  SOURCES
    fake_artifacts.cc fake_cancel_store.cc fake_database.cc fake_dispatch_store.cc fake_event_log.cc fake_execution_store.cc fake_hints.cc fake_instance_store.cc
    fake_job_store.cc fake_fitness.cc fake_leases.cc fake_operator_store.cc fake_progress_cache.cc fake_settle.cc fake_text.cc fake_transaction.cc fake_wish.cc
  LINK renderyard_ports absl::strings absl::any_invocable Boost::json OpenSSL::Crypto)
