# What ComfyUI says and takes: parsers, verdicts, progress, workflows, over every recording.
renderyard_test(comfy_domain_test LABEL unit
  SOURCES backoff_test.cc capabilities_test.cc comfy_json_test.cc common_names_test.cc comfy_message_test.cc comfy_mutation_test.cc comfy_progress_test.cc
    comfy_recordings_test.cc heard_prompt_test.cc json_text_test.cc recordings.cc socket_pictures_test.cc submission_test.cc
    workflow_test.cc
  LINK renderyard_domain)
