"""Who is on the picture? Networks that answer offline, behind one protocol."""

from service.evaluation.recognizers.dlib_resnet import DlibRecognizer
from service.evaluation.recognizers.onnx_file import ChannelOrder, OnnxRecognizer
from service.evaluation.recognizers.recognizer import Embedding, Recognizer

__all__ = ["ChannelOrder", "DlibRecognizer", "Embedding", "OnnxRecognizer", "Recognizer"]
