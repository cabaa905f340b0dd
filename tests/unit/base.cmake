renderyard_test(base_test LABEL unit
  SOURCES base_group_test.cc base_random_test.cc base_suspend_test.cc
  LINK renderyard_testing_sim renderyard_base)

renderyard_test(domain_tables_test LABEL unit
  SOURCES circuit_test.cc error_code_test.cc limits_test.cc machines_test.cc operator_action_test.cc
  LINK renderyard_domain)

renderyard_test(fakes_test LABEL unit
  SOURCES fake_database_test.cc fake_others_test.cc
  LINK renderyard_testing_fakes renderyard_testing_sim)
