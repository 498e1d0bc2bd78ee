"""All rules, in the order in which the documentation tells of them."""

from typing import Final

from layerline.contract.rule import Rule
from layerline.contract.rules import (
    env_outside_config,
    file_too_long,
    local_import,
    missing_init,
    model_sends,
    naked_lookup,
    orm_in_door,
    print_in_slice,
    queryset_leaves_selector,
    raise_in_selector,
    re_export,
    request_in_service,
    run_in_executor,
    service_method,
    side_effect,
    signal_does_more,
    slice_init,
    swallowed_exception,
    too_many_methods,
    transaction_in_door,
    write_in_selector,
)

RULES: Final[tuple[Rule, ...]] = (
    orm_in_door.RULE,
    transaction_in_door.RULE,
    write_in_selector.RULE,
    raise_in_selector.RULE,
    queryset_leaves_selector.RULE,
    request_in_service.RULE,
    service_method.RULE,
    too_many_methods.RULE,
    side_effect.RULE,
    model_sends.RULE,
    signal_does_more.RULE,
    naked_lookup.RULE,
    re_export.RULE,
    local_import.RULE,
    missing_init.RULE,
    slice_init.RULE,
    run_in_executor.RULE,
    swallowed_exception.RULE,
    env_outside_config.RULE,
    print_in_slice.RULE,
    file_too_long.RULE,
)
