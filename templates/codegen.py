"""How Jinja's compiler writes the call of a tag: straight, where it would take a macro, a context and the sandbox's guards for each."""

from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame


class TagCodeGenerator(CodeGenerator):
    """Calls an extension's method with the function that renders the tag's body. No expression can name either.

    The body renders under the same guards as before; a tag repeats only where a loop or a macro does, which are counted.
    """

    def visit_CallBlock(self, node: nodes.CallBlock, frame: Frame) -> None:  # noqa: N802 (the visitor's naming)
        """Writes a call block; one that stands for no tag, or whose body asks for what only a macro has, as Jinja does."""
        special = {"caller", "kwargs", "varargs"}
        is_tag = isinstance(node.call.node, nodes.ExtensionAttribute) and not node.args
        if not is_tag or any(name.name in special for name in node.find_all(nodes.Name)):
            super().visit_CallBlock(node, frame)
            return
        self.macro_body(node, frame)
        self.start_write(frame, node)
        self.visit(node.call.node, frame)
        self.write("(")
        for argument in node.call.args:
            self.visit(argument, frame)
            self.write(", ")
        self.write("caller=macro)")
        self.end_write(frame)
