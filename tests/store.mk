# Instances, operations, images, ingress: store.
UNIT_TESTS += $(B)/tests/store/instance_test $(B)/tests/store/operation_test $(B)/tests/store/image_test \
              $(B)/tests/store/ingress_test $(B)/tests/store/history_test \
              $(B)/tests/store/service_test $(B)/tests/store/code_run_test
