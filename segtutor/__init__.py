"""segtutor: transformers that segment images, built part by part (SETR and Segmenter).

The rooms, in the order in which they import each other (a room only looks upwards):

    tokens -> decoders -> upsampling -> models -> baselines -> weights -> data -> evaluation
    -> training, and the leaves insight, reproduce, course
"""

__version__ = "0.1.0"
