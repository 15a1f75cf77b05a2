"""What was put around a module's computation, so that to leave its call out would change what comes out.

The engine calls embedding, layers, final norm and head as modules, and whatever is around those is honoured. It does
not call the model's own ``forward``, nor the modules that only hold layers, nor, where feed-forward blocks are left
out, a layer as a whole. What is around *these* is looked for before anything runs.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from typing import Any

from torch import nn
from torch.nn.modules import module as torch_module
from transformers import AutoModelForCausalLM

from adapters.errors import UnsupportedModelError
from adapters.families.base import Family
from ews.errors import described

__all__ = [
    "changed",
    "is_plain",
    "require_no_dropout",
    "require_plain_attention",
    "require_plain_layers",
    "require_plain_model",
]

_FRAMEWORKS = ("torch", "transformers")  # their hooks watch, or spread a model over processes
# What modules of transformers call a share that is dropped by a function, or noise that routers add.
_SHARES_DROPPED = (
    "attention_dropout",
    "dropout",
    "embedding_dropout",
    "hidden_dropout",
    "jitter_noise",
    "layerdrop",
    "residual_dropout",
)
_CALLED = "a hook on the model itself, its embedding, a layer, the final norm or the head, which run for every token"


def require_plain_model(family: Family, *, whole: bool = True) -> None:
    """Refuse a model of which more than its layers decides what comes out of it.

    Parameters
    ----------
    family : Family
        The model.
    whole : bool
        Whether to look at the model's own ``forward`` too, whose place an engine takes.

    Raises
    ------
    adapters.errors.UnsupportedModelError
        If its ``forward``, or that of a module that holds its layers, was changed or has hooks, or if parts of it were
        replaced since it was taken apart; the message names what.
    """
    model = family.model
    replaced = _replaced(family)
    if replaced is not None:
        raise UnsupportedModelError(
            "model", described(f"another {replaced} than when the policy was attached"), "attach again after the change"
        )
    if whole:
        found, remedy = _changed_root(model)
        if found is not None:
            raise UnsupportedModelError("model", described(found), remedy)
    holders = ((f"{name}, which is not called for each token", module) for name, module in _holders(family))
    _require_unchanged(family, holders, _CALLED)


def _replaced(family: Family) -> str | None:
    """A part that is not the one which was found when the model was taken apart."""
    if family.find_decoder() is not family.decoder:
        return "decoder"
    layers = family.find_layers()
    if len(layers) != family.depth:
        return f"number of layers ({len(layers)}, not {family.depth})"
    for index, (now, before) in enumerate(zip(layers, family.layers, strict=True)):
        if now is not before:
            return f"layer {index}"
    norm = family.find_norm()
    if norm is not family.norm and not (type(norm) is type(family.norm) is nn.Identity):  # made for want of a norm
        return "final norm"
    return None if family.model.get_output_embeddings() is family.head else "head"


def require_no_dropout(family: Family) -> None:
    """Refuse a model that drops at random what it computes: no two passes of it say the same of a draft.

    Raises
    ------
    adapters.errors.UnsupportedModelError
        If a module with dropout is in training mode.
    """
    for name, module in family.model.named_modules():
        if not module.training:
            continue
        shares = [getattr(module, each, None) for each in _SHARES_DROPPED]
        if isinstance(module, nn.modules.dropout._DropoutNd):
            shares.append(module.p)
        if any(isinstance(share, float) and share > 0 for share in shares):
            raise UnsupportedModelError(
                "model",
                described(f"a model in training mode, with dropout in {name}, under cache='verify'"),
                "model.eval(), under which the full model says the same of a token each time",
            )


def require_plain_layers(family: Family) -> None:
    """Refuse layers that cannot be run in two halves, as leaving feed-forward blocks out asks for.

    Raises
    ------
    adapters.errors.UnsupportedModelError
        If the ``forward`` of a layer was changed or has hooks.
    """
    halved = "which is run in two halves to leave blocks out"
    layers = ((f"layer {index}, {halved}", layer) for index, layer in enumerate(family.layers))
    _require_unchanged(family, layers, "unit='layer', or a hook on a part of the layer (attention, mlp, a norm)")


def require_plain_attention(family: Family) -> None:
    """Refuse layers whose attention does more to keys and values than its projections do.

    Raises
    ------
    adapters.errors.UnsupportedModelError
        If what goes into an attention is changed by a hook, or its ``forward`` was changed.
    """
    passed = "which cache='propagate' projects around"
    attentions = (
        (f"the attention of layer {index}, {passed}", family.attention(index)) for index in range(family.depth)
    )
    remedy = "cache='deferred' or 'verify', which run every attention; or hooks on its projections"
    _require_unchanged(family, attentions, remedy, after=False)


def _require_unchanged(
    family: Family, modules: Iterable[tuple[str, nn.Module]], remedy: str, *, after: bool = True
) -> None:
    """Refuse a model if something was done to one of these modules, which are named by where they are."""
    own = _own_packages(family.model)
    for where, module in modules:
        found = changed(module, own=own, after=after)
        if found is not None:
            raise UnsupportedModelError("model", described(f"on {where}, {found}"), remedy)


def is_plain(module: nn.Module, *kinds: type[nn.Module]) -> bool:
    """Whether a module is of exactly one of these kinds and computes what its weights alone say.

    Not where it is a subclass (as adapters and parametrizations make), has hooks, another ``forward``, or a weight that
    is worked out at each call.
    """
    if type(module) not in kinds or changed(module, own=_FRAMEWORKS) is not None:
        return False
    return all(name in module._parameters for name in ("weight", "bias") if hasattr(module, name))


def changed(module: nn.Module, *, own: tuple[str, ...], after: bool = True) -> str | None:
    """What was done to the call of a module, in words; None where it does what its class says.

    Parameters
    ----------
    module : nn.Module
        The module. What accelerate does to bring weights and inputs to a device is no change.
    own : tuple of str
        Packages whose classes are taken as they are.
    after : bool
        Whether hooks that change what comes out count, too.
    """
    if hasattr(module, "_orig_mod") or getattr(module, "_compiled_call_impl", None) is not None:
        return "torch.compile"
    kind = type(module)
    for name in ("forward", "__call__"):
        if not _is_of(getattr(kind, name), own):
            return f"{kind.__name__}.{name} of {_home(getattr(kind, name))}"
    return _changed_instance(module) or _hooks_of(module, after=after)


def _changed_root(model: nn.Module) -> tuple[str | None, str]:
    """What was done to a model's own ``forward``, and what to do about it."""
    kind, plain = type(model), _plain_class(model)
    forward: Any = kind.forward
    if plain is not None and (forward is not plain.forward or not _is_of(forward, _FRAMEWORKS)):
        return (
            f"{kind.__name__}.forward of {_home(forward)} in place of {plain.__name__}'s",
            f"{plain.__name__} as it is, with changes of logits as logits_processor= or as hooks on the model",
        )
    found = _changed_instance(model)
    if found is None:
        return None, ""
    if found.startswith("a hook"):
        return found, "the model without it (accelerate.hooks.remove_hook_from_module), or with hooks of torch"
    if "autocast" in found or "accelerate" in found:
        return found, (
            "accelerator.unwrap_model(model, keep_fp32_wrapper=False), and generate within accelerator.autocast() or "
            "torch.autocast(...)"
        )
    return found, (
        "a model whose forward is its class's (del model.forward), with changes of logits as logits_processor= or as "
        "hooks on the model (model.register_forward_hook)"
    )


def _plain_class(model: nn.Module) -> Any:
    """The class that transformers has for a model of this configuration; None where it has none."""
    known: Any = AutoModelForCausalLM._model_mapping
    config: Any = model.config
    classes: tuple[Any, ...] = type(config).__mro__
    kinds = [known[each] for each in classes if each in known and each.model_type == config.model_type]
    # Several where what is made of images and text has a class of its own for text.
    named = [kind for kind in kinds if isinstance(model, kind)] or kinds
    return named[0] if named else None


def _own_packages(model: nn.Module) -> tuple[str, ...]:
    plain = _plain_class(model)
    kind = type(model) if plain is None else plain
    return (*_FRAMEWORKS, kind.__module__.split(".")[0])


def _holders(family: Family) -> Iterator[tuple[str, nn.Module]]:
    """Modules that hold layers, final norm and head, and are not called for each token."""
    called = {id(module) for module in (*family.layers, family.norm, family.head)}
    holders: dict[str, nn.Module] = {}
    _look_for(called, family.model, (), holders, set())
    yield from ((name, module) for name, module in holders.items() if name and not isinstance(module, nn.ModuleList))


def _look_for(
    called: set[int], module: nn.Module, path: tuple[str, ...], holders: dict[str, nn.Module], met: set[int]
) -> bool:
    """Whether a module holds some that are called; it and those between are put among the holders, outermost first."""
    met.add(id(module))
    name = ".".join(path)
    holders[name] = module
    found = False
    for own, child in module.named_children():
        if id(child) not in met:
            if id(child) in called:  # whatever is within is called with it
                met.add(id(child))
                found = True
            else:
                found |= _look_for(called, child, (*path, own), holders, met)
    if not found:
        del holders[name]
    return found


def _changed_instance(module: nn.Module) -> str | None:
    """A ``forward`` of this one module that is not its class's."""
    forward = module.__dict__.get("forward")
    if forward is None or hasattr(forward, "_early_exit_engine"):
        return None
    hook = getattr(module, "_hf_hook", None)
    if hook is not None and _home(forward).startswith("accelerate"):
        others = [type(each).__name__ for each in getattr(hook, "hooks", (hook,)) if not _aligns(type(each))]
        if others:
            return f"a hook of accelerate ({', '.join(others)})"
        forward = getattr(module, "_old_forward", None)
    inner = getattr(forward, "__func__", forward)
    if any(inner is each for each in (None, *_chain(type(module).forward))):  # what accelerate leaves where it unwraps
        return None
    return f"a forward of its own ({_named(forward)})"


def _aligns(kind: type[Any]) -> bool:
    """Whether a hook of accelerate does nothing but bring weights, inputs and outputs to their devices."""
    known = any(each.__name__ == "AlignDevicesHook" and each.__module__ == "accelerate.hooks" for each in kind.__mro__)
    return known and all(_home(getattr(kind, name)) == "accelerate.hooks" for name in ("pre_forward", "post_forward"))


def _hooks_of(module: nn.Module, *, after: bool) -> str | None:
    """Hooks that someone registered on a module, or on all of them."""
    registered: tuple[Any, ...] = (("forward pre-hook", module._forward_pre_hooks),)
    registered += (("forward hook", module._forward_hooks),) if after else ()
    everywhere: tuple[Any, ...] = (torch_module._global_forward_pre_hooks, torch_module._global_forward_hooks)
    everywhere = everywhere if after else ()
    for kind, hooks in (*registered, *(("hook for all modules", each) for each in everywhere)):
        for hook in hooks.values():
            if not _is_of(hook, _FRAMEWORKS):
                return f"a {kind} ({_named(hook)})"
    return None


def _chain(function: Any) -> Iterator[Any]:
    """A callable and what it was wrapped around, outermost first."""
    seen = 0
    while function is not None and seen < 32:
        yield function
        if isinstance(function, functools.partial):
            function = function.func
        else:
            function = getattr(function, "__wrapped__", None)
        seen += 1


def _home(function: Any) -> str:
    """The module that a callable was written in, whatever it says of itself (``functools.wraps`` copies that)."""
    if isinstance(function, functools.partial):
        return _home(function.func)
    function = getattr(function, "__func__", function)
    written = getattr(function, "__globals__", None)
    return str(written["__name__"] if written and "__name__" in written else type(function).__module__)


def _is_of(function: Any, packages: tuple[str, ...]) -> bool:
    """Whether a callable, and all that it was wrapped around, was written in one of these packages."""
    return all(_home(each).split(".")[0] in packages for each in _chain(function))


def _named(function: Any) -> str:
    """A callable in words, with what it wraps."""
    if isinstance(function, functools.partial):
        return f"functools.partial of {_named(function.func)}"
    name = getattr(function, "__qualname__", type(function).__qualname__)
    return f"{name} of {_home(function)}"
